// Package subscription hands a topic's entries to consumers: exclusive, failover, shared and key-shared subscriptions, their
// dispatch, acknowledgements, redelivery and seeks. It knows no network: a Consumer hangs on an Outlet.
//
// An entry goes to one consumer whole; batches are never opened. Permits count messages, everything else counts entries. The
// decisions (which consumer is active, whose turn it is, who owns a hash) are pure and have transcripts in testdata.
//
// # Reading
//
// A subscription has no goroutine. Whoever brings news (a publish completed, permits came, an ack freed a hash) dispatches on its own
// stack as far as the read cache reaches. What is not cached is read by one transient goroutine per subscription, which takes
// one of the process's reading slots (Readers), reads and dispatches until it has caught up with the cache or with the
// permits, and ends.
//
// # Lock order
//
// Topic's locks, Subscription.mu, then whatever managed and the Outlet lock. Outlets are called under Subscription.mu.
package subscription
