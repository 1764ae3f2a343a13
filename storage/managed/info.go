package managed

import (
	"maps"

	"github.com/strobemq/strobe/storage/bk"
)

// Info is a picture of a managed ledger for statistics.
type Info struct {
	Name          string
	LastConfirmed bk.Position
	Entries       int64
	Bytes         int64
	Pending       int64  // ops in flight
	Added         int64  // entries confirmed since it was opened
	State         string // LedgerOpened, ClosedLedger (no ledger is open now), Terminated, Fenced, Closed
	Terminated    *bk.Position
	Properties    map[string]string
	Ledgers       []LedgerInfo
	Cursors       []CursorInfo
}

// LedgerInfo is one ledger of the chain.
type LedgerInfo struct {
	Ledger   int64
	Entries  int64
	Bytes    int64
	ClosedAt int64 // ms since 1970; 0 while it is open
}

// CursorInfo is one cursor.
type CursorInfo struct {
	Name         string
	Durable      bool
	MarkDelete   bk.Position
	Backlog      int64
	Acked        int64          // entries acknowledged behind the mark-delete
	Ranges       int            // in how many runs
	Properties   []LongProperty // tied to the mark-delete
	CursorLedger int64          // the ledger that holds the position, -1: it is in the node
	Batches      int            // batches acknowledged in part
	Dirty        bool           // has changes that are not durable yet
}

// Info is a picture of the managed ledger now.
func (l *Ledger) Info() Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := Info{
		Name: l.name, LastConfirmed: l.lac, Entries: l.chain.next - l.chain.first(), Bytes: l.chain.bytes(), Terminated: l.terminated,
		Properties: maps.Clone(l.props), State: "ClosedLedger", Added: l.added,
	}
	if l.w != nil {
		i.State, i.Pending = "LedgerOpened", int64(l.w.inflight)
	}
	switch l.dead {
	case ErrTerminated:
		i.State = "Terminated"
	case ErrFenced:
		i.State = "Fenced"
	case ErrClosed:
		i.State = "Closed"
	}
	for k := range l.chain.links {
		k := &l.chain.links[k]
		i.Ledgers = append(i.Ledgers, LedgerInfo{k.ledger, k.entries, k.size, k.timestamp})
	}
	for _, c := range l.cursors {
		i.Cursors = append(i.Cursors, c.infoLocked())
	}
	for c := range l.loose {
		i.Cursors = append(i.Cursors, c.infoLocked())
	}
	return i
}

func (c *Cursor) infoLocked() CursorInfo {
	return CursorInfo{
		Name: c.name, Durable: c.durable, MarkDelete: c.markDelete, Backlog: c.backlogLocked(), Acked: c.acks.n, Ranges: c.acks.runs,
		Batches: len(c.batches), Dirty: c.store.dirty, Properties: c.longs, CursorLedger: c.store.refers,
	}
}
