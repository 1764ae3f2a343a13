// Package managed keeps a topic's entries in a chain of ledgers and its subscriptions' positions in cursors: Pulsar's managed
// ledger, in Pulsar's own metadata keys and values (interop §7).
//
// A Manager serves all managed ledgers of a process over one bk.Ledgers and one meta.Store. It owns the read cache, the
// goroutines that do blocking work and the budget for writing cursor positions. An idle Ledger or Cursor has no goroutine
// and no timer of its own.
//
// # Positions
//
// A position names an entry. (L, -1) is "before the first entry of L", bk.Earliest is before everything, bk.Latest behind
// everything. Methods that take a position accept ones whose ledger is gone or whose entry does not exist (yet): reading goes
// on at the first entry at or behind it. Ledger ids only grow, so positions are ordered in time.
//
// # Who owns the topic
//
// There is no lock on a managed ledger besides the compare-and-set of its node and the fencing of its open ledger. An owner
// that lost either is fenced for good: everything pending fails with ErrFenced, OnFenced is called, and whoever serves the topic
// opens it again if it is still the owner.
//
// # Lock order
//
// caller's locks, Ledger.mu, Cursor.mu, Cache.mu. No hook, no completion and no bk or meta call that may block is made under any of
// them; bk.Ledger.Add is called under Ledger.mu because calls must not overlap and it never blocks.
package managed
