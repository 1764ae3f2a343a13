package bookie

import "github.com/strobemq/strobe/storage/bk"

// Store keeps the records of a bookie. It is implemented by storage/segment; options.go is the only file here that knows so.
type Store interface {
	// Append queues the records in order; they are durable when their Done is called. It never blocks on the device and never
	// completes on the caller's stack. A full queue completes the record with bk.ErrTooMany, a full disk with
	// bk.ErrReadOnly, a failed device with bk.ErrIO. Safe for concurrent use; the slice is the caller's again at return.
	Append(records []*bk.Record)
	// Read returns the stored entries first..last of a ledger as far as they lie here without a gap, at least one and at most
	// those that fit maxBytes (the first is returned whatever its size). Payload holds the whole stored entry: header,
	// digest, payload. bk.ErrNoLedger, bk.ErrNoEntry, bk.ErrIO (device or damage), bk.ErrLimbo instead of absence.
	// Only durable entries are returned. The caller releases the payloads.
	Read(ledger, first, last int64, maxBytes int) ([]bk.Entry, error)
	// LastEntry is the highest durable entry id of the ledger here. bk.ErrNoEntry when the ledger is known and empty.
	LastEntry(ledger int64) (int64, error)
	// Ledger is what durable records say of the ledger; bk.ErrNoLedger when nothing does, with Limbo set when that proves nothing.
	Ledger(ledger int64) (bk.LedgerState, error)
	// Ledgers calls yield with each ledger that has records here and is not deleted, in no order, until it returns false.
	Ledgers(yield func(ledger int64) bool)
	// ReadOnly is nil, or why no more entries are taken (a full disk, a failed sync, damage); the reason is a fault.
	ReadOnly() error
	// Close drains, syncs and joins. Idempotent.
	Close() error
}
