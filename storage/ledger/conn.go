package ledger

import (
	"context"

	"github.com/strobemq/strobe/storage/bk"
)

// BookieAdd is one entry on its way to one bookie. It carries everything the wire needs, so that no layer below allocates.
type BookieAdd = bk.BookieAdd

// BookieConn is one bookie as the ledger client sees it: in the same process or over TCP, with the same queueing and the
// same order of completion.
type BookieConn interface {
	// Add queues adds in order and completes each exactly once, off the caller's stack. The conn retains op.Body until it
	// has completed the add. It never blocks: over its byte cap it completes with bk.ErrTooMany.
	// The slice is the caller's again at return.
	Add(adds []*bk.BookieAdd)
	// Read returns stored entries (header, digest, payload) first..last without a gap, at least one, at most maxBytes. first = last =
	// bk.NoEntry asks for the bookie's last entry. With bk.FlagFence the ledger is fenced, durably, before the answer.
	Read(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error)
	Close() error
}

// Reconnector is an ability of a BookieConn, found by type assertion: it outlives its peer and connects again by itself. A
// Registry keeps it when the bookie's registration goes, since that may be because the metadata was away.
type Reconnector interface{ Reconnects() }

// Bookies finds bookies by id and tells who can take new ledgers.
type Bookies interface {
	// Conn returns the connection to a bookie; the Bookies keeps owning it. bk.ErrUnavailable when it is not known or down.
	Conn(id string) (BookieConn, error)
	// Writable is the ids of the bookies that take new ledgers now, in a stable order.
	Writable() []string
}
