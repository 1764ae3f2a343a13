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
// Ledger.ctl, Ledger.table and the cursors' store locks serialise work that blocks, and are taken in this order; they can be waited
// for with a context, and only methods that take one use them. Then come the caller's locks for calls that do not block, Ledger.mu,
// which guards all state in memory, the cursors' included, and last the locks of the cache, the flusher and the workers. No hook,
// no completion and no call of bk or meta that may block is made under Ledger.mu; bk.Ledger.Add is, because its calls must not
// overlap and it never blocks.
package managed
