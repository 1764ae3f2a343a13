package remote

import (
	"context"
	"math"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/frames"
)

// callKey is what an answer to a read is recognised by.
type callKey struct {
	op            bkwire.Op
	ledger, entry int64
	id            int64 // of a batched read
}

// call is one read that waits for its answer. Equal ones wait in a row; any answer is good for the first of them.
type call struct {
	next  *call
	limit int // of entries

	entries  []bk.Entry
	code     bk.Code
	done     chan struct{} // closed when the answer is there
	deserted bool          // nobody waits any more; guarded by the lane's lock
}

// ask sends a read. The answer is waited for with wait.
func (l *lane) ask(r bk.BookieRead, op bkwire.Op, limit int, maxBytes int64) (*call, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sessionLocked()
	switch {
	case s == nil:
		return nil, bk.ErrUnavailable
	case s.reads >= l.c.d.o.MaxReads:
		l.c.d.metrics.tooMany.Add(1)
		return nil, bk.ErrTooMany
	}
	key := callKey{op: op, ledger: r.Ledger, entry: r.First}
	s.out.Lock()
	room := s.out.Room(bkwire.MaxReadRequest)
	if op == bkwire.OpRead {
		room = bkwire.AppendRead(room, r.Flags, r.Ledger, r.First, &r.MasterKey)
	} else {
		key.id = l.c.batches.Add(1)
		room = bkwire.AppendBatchRead(room, r.Flags, r.Ledger, r.First, key.id, int32(limit), maxBytes, &r.MasterKey)
	}
	s.out.Commit(room)
	s.out.Unlock()
	c := &call{limit: limit, done: make(chan struct{})}
	if first := s.calls[key]; first == nil {
		s.calls[key] = c
	} else {
		for first.next != nil {
			first = first.next
		}
		first.next = c
	}
	s.owesLocked()
	s.reads++
	return c, nil
}

// wait is the answer to a call. The caller owns the entries.
func (l *lane) wait(ctx context.Context, c *call) ([]bk.Entry, error) {
	select {
	case <-c.done:
		return c.entries, c.code.Err()
	case <-ctx.Done():
		l.desert(c)
		return nil, ctx.Err()
	}
}

// desert gives a call up: its answer, now or when it comes, is thrown away.
func (l *lane) desert(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.deserted = true
	release(c.entries)
	c.entries = nil
}

// hasRead takes the answer to a read.
func (s *session) hasRead(r *bkwire.Response, in *frames.In, frame []byte) error {
	key := callKey{op: r.Op, ledger: r.Ledger, entry: r.Entry, id: r.ID}
	c := s.calls[key]
	switch {
	case c == nil:
		return errNotAsked
	case c.next == nil:
		delete(s.calls, key)
	default:
		s.calls[key] = c.next
	}
	s.reads--
	c.code = r.Code
	err := c.take(r, in, frame)
	if err != nil {
		release(c.entries)
		c.entries, c.code = nil, bk.ErrIO
	}
	close(c.done)
	return err
}

// take cuts the entries out of an answer.
func (c *call) take(r *bkwire.Response, in *frames.In, frame []byte) error {
	if c.deserted || r.Code != bk.OK {
		return nil
	}
	if r.Op == bkwire.OpRead {
		c.entries = []bk.Entry{{Ledger: r.Ledger, Entry: r.Entry, Payload: in.Keep(r.Body, len(frame))}}
		return nil
	}
	for at := r.Body; len(c.entries) < c.limit; {
		from, to, ok, err := bkwire.NextInBatch(frame, at)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		c.entries = append(c.entries, bk.Entry{Ledger: r.Ledger, Entry: r.Entry + int64(len(c.entries)), Payload: in.Keep(from, to)})
		at = to
	}
	if len(c.entries) == 0 {
		return bkwire.ErrFrameCut
	}
	return nil
}

// readOne reads one entry, or the last.
func (l *lane) readOne(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error) {
	c, err := l.ask(r, bkwire.OpRead, 1, 0)
	if err != nil {
		return nil, err
	}
	return l.wait(ctx, c)
}

// atOnce is how many entries are asked for one by one without waiting for answers.
const atOnce = 32

// readEach reads entries one by one from a bookie that knows no batched reads.
func (l *lane) readEach(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error) {
	var room [atOnce]*call
	calls := room[:0]
	var failed error
	for e := r.First; len(calls) < atOnce && e <= r.Last; e++ {
		one := r
		one.First, one.Last = e, e
		c, err := l.ask(one, bkwire.OpRead, 1, 0)
		if err != nil {
			failed = err
			break
		}
		calls = append(calls, c)
	}
	var entries []bk.Entry
	size := 0
	for n, c := range calls {
		got, err := l.wait(ctx, c)
		if err == nil {
			size += len(got[0].Payload.B)
		}
		if err != nil || n > 0 && size > r.MaxBytes {
			failed = err
			release(got)
			for _, c := range calls[n+1:] {
				l.desert(c)
			}
			break
		}
		entries = append(entries, got...)
	}
	if len(entries) == 0 {
		return nil, failed
	}
	return entries, nil
}

// noBatchFor is how long a bookie that seems not to know batched reads is asked for none.
const noBatchFor = 5 * time.Minute

func (c *Conn) mayBatch() bool { return time.Now().UnixNano() >= c.noBatch.Load() }

// maxBatch is how large an answer is asked for: what the largest slab holds that is used again.
const maxBatch = 1 << 20

// readBatch reads entries at once. A bookie older than 4.17 answers that with bk.ErrBadRequest or by ending the connection; then
// they are read one by one.
func (l *lane) readBatch(ctx context.Context, r bk.BookieRead) ([]bk.Entry, error) {
	limit := min(r.Last-r.First+1, int64(r.MaxBytes)/bkwire.HeaderLen+1, math.MaxInt32)
	most := min(bkwire.BatchLen(int(limit), int64(r.MaxBytes)), int64(l.c.d.o.MaxFrame), maxBatch)
	call, err := l.ask(r, bkwire.OpBatchRead, int(limit), most)
	if err != nil {
		return nil, err
	}
	entries, err := l.wait(ctx, call)
	switch {
	case err == nil:
		l.c.batchKnown.Store(true)
		return entries, nil
	case err == bk.ErrBadRequest:
	case err == bk.ErrUnavailable && !l.c.batchKnown.Load() && l.c.ctx.Err() == nil:
		if err := l.rest(ctx); err != nil {
			return nil, err
		}
	default:
		return nil, err
	}
	l.c.d.metrics.noBatch.Add(1)
	l.c.noBatch.Store(time.Now().Add(noBatchFor).UnixNano())
	return l.readEach(ctx, r)
}

// rest waits until a connection may be tried again.
func (l *lane) rest(ctx context.Context) error {
	t := time.NewTimer(firstPause)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.c.ctx.Done():
		return bk.ErrUnavailable
	}
}

func release(entries []bk.Entry) {
	for _, e := range entries {
		e.Payload.Release()
	}
}
