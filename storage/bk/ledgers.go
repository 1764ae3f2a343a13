package bk

import "context"

// CreateOptions are what a new ledger is made with.
type CreateOptions struct {
	Quorum   Quorum
	Digest   Digest
	Password []byte            // Pulsar: empty
	Custom   map[string][]byte // custom metadata, stored with the ledger (interop §7.8)
}

// Ledgers creates, opens and deletes ledgers. It is implemented by storage/ledger and, for tests, by memory ledgers.
type Ledgers interface {
	// Create makes an empty open ledger; when it returns the ledger's metadata is durable. ErrNotEnough when there are
	// fewer bookies than the ack quorum.
	Create(ctx context.Context, o CreateOptions) (Ledger, error)
	// Open opens a ledger for reading. With recover it first fences the ledger, makes its tail durable and closes it
	// (interop §3.6), so that a former writer can acknowledge nothing more; without, an open ledger is read up to the
	// last-add-confirmed known. ErrNoLedger when it does not exist.
	Open(ctx context.Context, id int64, recover bool) (Ledger, error)
	// Delete removes the ledger's metadata; bookies free the space later. Deleting a ledger that is gone is no error.
	Delete(ctx context.Context, id int64) error
}

// Ledger is one ledger, as writer (from Create) or as reader (from Open).
type Ledger interface {
	ID() int64
	// Add appends the entries in the order given, directly behind those of earlier calls. It never blocks and never
	// completes on the caller's stack. Calls must not overlap. The slice is the caller's again at return. After an error
	// everything added fails with it. Adding to a reader answers ErrLedgerClosed.
	Add(adds []*Add)
	// Read returns entries first..last that are confirmed, in order, at least one, at most those that fit maxBytes (the
	// first is returned whatever its size). ErrNoEntry when first is beyond the last confirmed. The caller owns and
	// releases the payloads. May block on a device or a peer.
	Read(ctx context.Context, first, last int64, maxBytes int) ([]Entry, error)
	// LastConfirmed is the highest entry known to be acknowledged (NoEntry: none) and the ledger's payload bytes up to it.
	LastConfirmed() (entry, length int64)
	// Close fails what is pending and, as writer, closes the ledger at its last confirmed entry; when it returns every add has
	// been completed. Closing a reader frees it. Idempotent.
	// After ErrFenced the writer's Close changes no metadata: it waits until the recoverer has closed the ledger, and from
	// then on LastConfirmed is the ledger's final end, so that the caller can acknowledge what recovery made durable. An
	// error (ctx, or ErrFenced when the end is not known) leaves LastConfirmed as it was.
	Close(ctx context.Context) error
}

// RolloverWanter is an ability of a writer, found by type assertion.
type RolloverWanter interface {
	// RolloverWanted reports that the ledger was made on fewer bookies than asked for, and that a new one would get more now.
	RolloverWanted() bool
}
