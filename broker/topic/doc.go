// Package topic keeps the topics of a broker: their life cycle, their producers, deduplication and publishing. It knows no network; a
// Producer hangs on Receipts, a consumer (package subscription) on an Outlet.
//
// A Topics registry loads a topic when somebody first asks for it and unloads it on request; a topic at rest has no goroutine and no
// timer. Each load is a life of its own: completions, producers and consumers of an earlier life hit a dead Topic and change
// nothing in the present one.
//
// # Life of a publish
//
// Publish takes a list under the topic's lock: deduplication, index, broker entry metadata in front of the client's bytes, one
// append for the whole list. The managed ledger completes in order and off its locks; then subscriptions are woken once and
// the receipts go back to the connections, a list for each.
//
// # Lock order
//
// Topics.mu and Topic.mu are never held together with a blocking call. Topic.mu, then the managed ledger's locks. Subscriptions,
// Receipts and every func of Options are called with neither held.
package topic
