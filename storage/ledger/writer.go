package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/quorum"
)

// writer is a ledger open for writing; a recovery writes the tail again with one too (recovering).
type writer struct {
	c          *Client
	id         int64
	digester   bkwire.Digester
	masterKey  [20]byte
	flags      bk.Flags
	recovering bool
	asked      bk.Quorum // what Create was asked for; the ledger may be smaller

	// floor is the last-add-confirmed that entries written again carry, all of them: the one that the recovery began
	// with. How far the recovery itself came must not be told before the ledger is closed, because the ensemble that it is
	// true for is in memory only. Another recoverer would believe it, leave those entries as they are, and close the
	// ledger on bookies that do not have them. (Apache's recovery tells; the simulation shows what comes of it.)
	floor int64

	ctx  context.Context // ends when the writer breaks or closes
	stop context.CancelFunc

	mu        sync.Mutex
	calm      *sync.Cond // of mu: completions were told, an ensemble change ended, a bookie answered a writer that closes
	md        *bkwire.Metadata
	version   meta.Version
	members   []*member // by ensemble index
	window    *quorum.Window
	pending   opQueue
	total     int64 // payload bytes up to the last entry submitted
	length    int64 // payload bytes up to the last confirmed
	lac       int64
	err       error // why nothing can be added any more
	closed    bool  // Close ran to its end
	closing   bool
	changing  bool      // an ensemble change is under way
	seeking   bool      // it looks for bookies and metadata, and may soon find both
	blind     bool      // when it did last, the metadata was away
	failures  int       // members that failed, ever
	gaps      int       // members that are failed
	look      time.Time // when bookies are looked for next, while the ack quorum can be made
	stood     int64     // lac at the last tick with a member missing
	starved   time.Time // since when the ack quorum cannot be made, and nothing was confirmed; zero: it can
	cause     error     // why a member failed last
	desperate bool      // the next change takes also bookies that failed lately
	done      addQueue
	queued    bool // at the completer
	telling   bool // the completer calls owners
	timer     *time.Timer
	due       time.Time // of the timer; zero: it does not run
}

func idsOf(members []*member) []string {
	ids := make([]string, len(members))
	for i, m := range members {
		ids[i] = m.id
	}
	return ids
}

// newWriter returns a writer whose last confirmed entry is lac and whose payload up to it has length bytes.
func newWriter(c *Client, id int64, md *bkwire.Metadata, version meta.Version, d bkwire.Digester, members []*member, lac, length int64) *writer {
	w := &writer{
		c: c, id: id, digester: d, masterKey: bkwire.MasterKey(md.Password), md: md, version: version, members: members,
		asked: md.Quorum, floor: lac, window: quorum.NewWindow(md.Quorum, lac+1), lac: lac, length: length, total: length,
	}
	for _, m := range members {
		if m.failed {
			w.gaps++
		}
	}
	w.calm = sync.NewCond(&w.mu)
	w.ctx, w.stop = context.WithCancel(c.ctx)
	return w
}

func (w *writer) ID() int64 { return w.id }

// Add implements bk.Ledger.
func (w *writer) Add(adds []*bk.Add) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		for _, a := range adds {
			a.Entry, a.Err = bk.NoEntry, w.err
			w.done.push(a)
		}
		w.tellLocked()
		return
	}
	for _, a := range adds {
		w.submitLocked(w.newOp(a))
	}
	w.flushLocked()
}

// submitLocked puts o into the batches of its write set.
func (w *writer) submitLocked(o *op) {
	q := w.md.Quorum
	i := quorum.First(o.entry, q)
	for range q.Write {
		switch m := w.members[i]; {
		case m.failed:
			m.lack(o.entry)
		case len(m.again) > 0:
			m.waitLocked(o)
		default:
			o.send(m)
		}
		if i++; i == q.Ensemble {
			i = 0
		}
	}
}

// flushLocked hands the batches to the bookies.
func (w *writer) flushLocked() {
	now := time.Now()
	for _, m := range w.members {
		if len(m.batch) == 0 {
			continue
		}
		if m.outstanding == 0 && len(m.again) == 0 {
			m.progress = now
		}
		m.outstanding += len(m.batch)
		m.conn.Add(m.batch)
		clear(m.batch)
		m.batch = m.batch[:0]
	}
	w.armLocked(now, w.c.o.AddTimeout)
}

// Read implements bk.Ledger.
func (w *writer) Read(ctx context.Context, first, last int64, maxBytes int) ([]bk.Entry, error) {
	var room [usualWriteQuorum]string
	w.mu.Lock()
	md, lac, late := w.md, w.lac, w.lateLocked(room[:0])
	w.mu.Unlock()
	if err := checkRange(w.id, first, last, lac); err != nil {
		return nil, err
	}
	return w.c.read(ctx, w.id, md, &w.digester, late, first, min(last, lac), maxBytes)
}

// lateLocked appends the bookies that have not answered everything they were sent, or are to be sent more.
func (w *writer) lateLocked(dst []string) []string {
	for _, m := range w.members {
		if m.outstanding > 0 || len(m.again) > 0 || m.leaving {
			dst = append(dst, m.id)
		}
	}
	return dst
}

// LastConfirmed implements bk.Ledger.
func (w *writer) LastConfirmed() (entry, length int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lac, w.length
}

// breakLocked ends the writing: everything pending fails with err, and everything that comes.
func (w *writer) breakLocked(err error) {
	if w.err != nil {
		return
	}
	w.err = fmt.Errorf("ledger %d: %w", w.id, err)
	switch {
	case errors.Is(err, bk.ErrFenced):
		w.c.metrics.fenced.Add(1)
	case errors.Is(err, bk.ErrUnauthorized):
		w.err = fault.LedgerKey.New("%w", w.err)
		w.c.log.Error("ledger given up", "error", w.err)
	}
	w.stop()
	w.window.Fail()
	for w.pending.first != nil {
		a := w.pending.pop().completed()
		a.Err = w.err
		w.done.push(a)
	}
	for _, m := range w.members {
		m.dropAgain()
		w.markLocked(m)
	}
	w.tellLocked()
}

// tellLocked has the completer call the owners of done adds.
func (w *writer) tellLocked() {
	if w.done.first == nil || w.queued || w.telling {
		return
	}
	w.queued = true
	w.c.completer.add(w)
}

// takeDone gives the completer what it shall tell.
func (w *writer) takeDone(list []*bk.Add) []*bk.Add {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queued, w.telling = false, true
	for a := w.done.first; a != nil; {
		next := a.Next
		a.Next = nil
		list = append(list, a)
		a = next
	}
	w.done = addQueue{}
	return list
}

// told ends what takeDone began.
func (w *writer) told() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.telling = false
	w.tellLocked()
	w.calm.Broadcast()
}
