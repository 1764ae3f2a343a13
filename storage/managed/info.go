package managed

import (
	"maps"
	"slices"

	"github.com/strobemq/strobe/storage/bk"
)

// Info is a picture of a managed ledger for statistics.
type Info struct {
	Name          string
	LastConfirmed bk.Position
	Entries       int64
	Bytes         int64
	Pending       int64 // ops handed in and not completed
	State         string
	Version       int64
	Terminated    *bk.Position
	Properties    map[string]string
	Ledgers       []LedgerInfo
	Cursors       []CursorInfo
}

// LedgerInfo is one ledger of the chain.
type LedgerInfo struct {
	Ledger    int64
	Entries   int64
	Bytes     int64
	ClosedAt  int64 // ms; 0 while it is open
	Offloaded bool
}

// CursorInfo is one cursor.
type CursorInfo struct {
	Name         string
	Durable      bool
	MarkDelete   bk.Position
	Backlog      int64
	Acked        int64 // entries acknowledged behind the mark-delete
	Ranges       int   // in how many runs
	Batches      int   // batches acknowledged in part
	Dirty        bool  // has changes that are not durable yet
	CursorLedger int64 // -1: the position is in the node
}

// Info is a picture of the managed ledger now.
func (l *Ledger) Info() Info {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := Info{
		Name: l.name, LastConfirmed: l.lac, Entries: l.chain.next - l.chain.first(), Bytes: l.chain.size(), Terminated: l.terminated,
		Properties: maps.Clone(l.props), State: "ClosedLedger",
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
		i.Ledgers = append(i.Ledgers, LedgerInfo{k.ledger, k.entries, k.size, k.timestamp, false})
	}
	for _, name := range slices.Sorted(maps.Keys(l.cursors)) {
		i.Cursors = append(i.Cursors, l.cursors[name].infoLocked())
	}
	for c := range l.loose {
		i.Cursors = append(i.Cursors, c.infoLocked())
	}
	return i
}

func (c *Cursor) infoLocked() CursorInfo {
	return CursorInfo{
		Name: c.name, Durable: c.durable, MarkDelete: c.markDelete, Backlog: c.backlogLocked(), Acked: c.acks.n, Ranges: c.acks.runs,
		Batches: len(c.batches), Dirty: c.store.dirty, CursorLedger: -1,
	}
}
