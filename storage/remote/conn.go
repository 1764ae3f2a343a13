// Package remote is a bookie of another process as the ledger client sees it: ledger.BookieConn over TCP in BookKeeper's protocol,
// version 2 (interop §1). A Conn has up to three connections, each made when it is first needed: for adds, for reads, and for what a
// recovery does. So no read waits behind adds, and no answer to an ordinary read or add can be taken for that to one that
// fences or passes a fence: the protocol tells them apart by ledger and entry alone.
package remote

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/ledger"
)

// Dialer makes connections to bookies; its Dial is a ledger.Dial.
type Dialer struct {
	o       Options
	metrics counters

	mu    sync.Mutex
	conns map[*Conn]bool
}

// NewDialer returns a Dialer.
func NewDialer(o Options) *Dialer {
	return &Dialer{o: o.withDefaults(), conns: map[*Conn]bool{}}
}

// Dial returns a Conn to the bookie of that id, which registered with info, without waiting for it. bk.ErrUnavailable when
// the info, or the id if there is none, names no address.
func (d *Dialer) Dial(id string, info bkwire.ServiceInfo) (ledger.BookieConn, error) {
	addr, ok := info.RPCAddress(id)
	if !ok {
		return nil, fmt.Errorf("bookie %s has no address: %w", id, bk.ErrUnavailable)
	}
	c := &Conn{id: id, addr: addr, d: d, log: d.o.Log.With("component", "remote", "bookie", id, "address", addr)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	for _, l := range c.lanes() {
		l.c = c
	}
	d.mu.Lock()
	d.conns[c] = true
	d.mu.Unlock()
	return c, nil
}

var _ ledger.Dial = (*Dialer)(nil).Dial

// Conn is the connections to one bookie. It implements ledger.BookieConn and is safe for concurrent use.
type Conn struct {
	id, addr string
	d        *Dialer
	log      *slog.Logger

	ctx  context.Context // ends with Close
	stop context.CancelFunc
	work sync.WaitGroup

	adds, reads, recovery lane

	batches    atomic.Int64 // ids of batched reads
	batchKnown atomic.Bool  // the bookie has answered one
	noBatch    atomic.Int64 // until when none is tried, in nanoseconds of time.Now
}

func (c *Conn) lanes() [3]*lane { return [3]*lane{&c.adds, &c.reads, &c.recovery} }

// Reconnects says that the Conn outlives what it is connected to (ledger.Reconnector).
func (c *Conn) Reconnects() {}

// Add implements ledger.BookieConn. The bytes of entries below 8 KiB are copied, larger ones are retained until they are
// written. While the bookie cannot be reached, adds are answered with bk.ErrUnavailable; what is on its way when the
// connection breaks, too, or with bk.ErrTimeout if the bookie sent nothing for Options.Timeout.
func (c *Conn) Add(adds []*bk.BookieAdd) {
	for len(adds) > 0 {
		n := 1
		for n < len(adds) && c.laneOf(adds[n]) == c.laneOf(adds[0]) {
			n++
		}
		c.laneOf(adds[0]).add(adds[:n])
		adds = adds[n:]
	}
}

func (c *Conn) laneOf(op *bk.BookieAdd) *lane {
	if op.Flags&bk.FlagRecoveryAdd != 0 {
		return &c.recovery
	}
	return &c.adds
}

// Read implements ledger.BookieConn.
func (c *Conn) Read(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error) {
	l := &c.reads
	if r.Flags&(bk.FlagFence|bk.FlagHighPriority) != 0 {
		l = &c.recovery
	}
	var entries []bk.Entry
	var err error
	switch {
	case r.First == r.Last:
		entries, err = l.readOne(ctx, r)
	case r.First < 0 || r.Last < r.First:
		err = bk.ErrBadRequest
	case c.mayBatch():
		entries, err = l.readBatch(ctx, r)
	default:
		entries, err = l.readEach(ctx, r)
	}
	if err != nil {
		return nil, fmt.Errorf("bookie %s: ledger %d entry %d: %w", c.id, r.Ledger, r.First, err)
	}
	return entries, nil
}

// dial connects.
func (c *Conn) dial() (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.d.o.DialTime)
	defer cancel()
	c.d.metrics.dials.Add(1)
	nc, err := c.d.o.Dial(ctx, c.addr)
	if err != nil {
		c.d.metrics.dialsFailed.Add(1)
	}
	return nc, err
}

// Close fails what is not answered with bk.ErrUnavailable, and everything that comes, and joins. It must not be called from
// BookieAddsDone. Idempotent.
func (c *Conn) Close() error {
	for _, l := range c.lanes() {
		l.close()
	}
	c.stop()
	c.work.Wait()
	c.d.mu.Lock()
	delete(c.d.conns, c)
	c.d.mu.Unlock()
	return nil
}
