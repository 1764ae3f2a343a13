package sim

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

type position = bk.Position

// cursors is how many consumers the topic has.
const cursors = 2

func cursorName(i int) string { return fmt.Sprintf("sub-%d", i) }

// tenure is the time in which a broker believes that the topic is its own: it publishes, reads, and consumes.
type tenure struct {
	c    *cluster
	b    *broker
	l    *managed.Ledger
	name string
	dice *dice
	lost chan struct{} // closed when it is fenced

	doubts [cursors]string // what was wrong with the cursors as they were found, if they were found so; empty: nothing

	mu     sync.Mutex
	cancel context.CancelFunc
	ended  bool
	number int // of entries sent; the producer's own
	told   int // completed; guarded by record.mu
}

func (t *tenure) fenced() bool {
	select {
	case <-t.lost:
		return true
	default:
		return false
	}
}

// stop ends the tenure; run then closes the topic.
func (t *tenure) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	if t.cancel != nil {
		t.cancel()
	}
}

// run is the tenure, until it is fenced or stopped and the topic is closed here.
func (t *tenure) run() {
	ctx, cancel := context.WithCancel(t.b.p.ctx)
	defer cancel()
	t.mu.Lock()
	t.cancel = cancel
	if t.ended {
		cancel()
	}
	t.mu.Unlock()
	var actors sync.WaitGroup
	actors.Go(func() {
		if t.openCursors(ctx) {
			for i := range cursors {
				actors.Go(func() { t.consume(ctx, i) })
			}
			actors.Go(func() { t.read(ctx) })
			t.publish(ctx)
		}
	})
	select {
	case <-ctx.Done():
	case <-t.lost:
		t.c.h.note("%s (%s) is fenced", t.b.p.node, t.name)
		if t.dice.one(2) { // it takes a while until anybody notices
			_ = sleep(ctx, t.dice.upTo(50*time.Millisecond))
		}
	}
	cancel()
	actors.Wait()
	t.c.record.knows(t.l.Info())
	closing, done := context.WithTimeout(t.b.p.ctx, t.dice.between(time.Millisecond, 10*time.Second))
	defer done()
	err := t.l.Close(closing)
	t.c.h.note("%s (%s) gives the topic up: %v", t.b.p.node, t.name, err)
}

// pace waits up to most, and for as long as the broker is paused. It reports false when the tenure is over.
func (t *tenure) pace(ctx context.Context, most time.Duration) bool {
	if sleep(ctx, t.dice.upTo(most)) != nil {
		return false
	}
	t.b.pauses()
	return ctx.Err() == nil
}

// openCursors has the topic's cursors made, before the first entry comes.
func (t *tenure) openCursors(ctx context.Context) bool {
	for i := range cursors {
		for {
			_, err := t.l.OpenCursor(ctx, cursorName(i), managed.CursorOptions{Start: bk.Earliest})
			if err == nil {
				break
			}
			if !t.pace(ctx, 50*time.Millisecond) {
				return false
			}
		}
	}
	return true
}

// inFlight is how many entries of one owner wait at most.
const inFlight = 60

// publish appends entries.
func (t *tenure) publish(ctx context.Context) {
	for t.pace(ctx, t.c.plan.Pause) && t.c.life.Err() == nil {
		t.c.record.mu.Lock()
		room := inFlight - (t.number - t.told)
		t.c.record.mu.Unlock()
		t.send(min(room, 1+t.dice.n(5)))
		if t.dice.one(30) {
			t.c.record.knows(t.l.Info())
		}
	}
}

// send appends n entries as one list.
func (t *tenure) send(n int) {
	if n <= 0 {
		return
	}
	list, ops := make([]*entry, n), make([]*managed.Op, n)
	for i := range list {
		size := 20 + t.dice.n(200)
		if t.c.plan.Big && t.dice.one(10) {
			size = t.dice.n(min(12<<10, int(t.c.plan.SegmentBytes)/4)) // what no segment takes would be refused for ever
		}
		e := &entry{tenure: t, number: t.number, payload: fmt.Sprintf("%s/%d/%0*x", t.name, t.number, size, t.dice.n(1<<30))}
		t.number++
		slab := bk.NewSlab(len(e.payload))
		head := t.dice.n(len(e.payload))
		body := copy(slab.Bytes(), e.payload[head:])
		e.op = managed.Op{Add: bk.Add{Head: []byte(e.payload[:head]), Body: slab.Buf(0, body)}, Done: t, Ctx: e}
		slab.Release()
		list[i], ops[i] = e, &e.op
	}
	t.c.record.sends(list)
	t.l.Append(ops)
}

// Appended implements managed.Appended.
func (t *tenure) Appended(done []*managed.Op) {
	for _, op := range done {
		op.Add.Body.Release()
	}
	t.c.record.finished(done)
}

// read reads the topic from its start on, again and again.
func (t *tenure) read(ctx context.Context) {
	after, from := bk.Earliest, bk.Earliest
	for t.pace(ctx, 40*time.Millisecond) {
		if t.dice.one(20) {
			after, from = bk.Earliest, bk.Earliest
		}
		got, err := t.l.Read(ctx, from, 1+t.dice.n(50), 1+t.dice.n(20_000))
		if err != nil {
			continue
		}
		after = t.c.record.read(t.name, after, got)
		release(got)
		if after != bk.Earliest {
			from = bk.Position{Ledger: after.Ledger, Entry: after.Entry + 1}
		}
	}
}

func release(list []managed.Entry) {
	for _, e := range list {
		e.Payload.Release()
	}
}

// consume reads what a cursor has not acknowledged and acknowledges some of it, in all ways.
func (t *tenure) consume(ctx context.Context, i int) {
	name := cursorName(i)
	k, r := t.l.Cursor(name), t.c.record.cursor(name)
	for t.pace(ctx, 30*time.Millisecond) {
		got, err := t.l.Read(ctx, k.NextUnacked(bk.Earliest), 1+t.dice.n(20), 1<<20)
		if err != nil || len(got) == 0 {
			continue
		}
		t.c.record.read(t.name+" "+name, bk.Earliest, got[:1])
		positions := make([]bk.Position, len(got))
		for i, e := range got {
			positions[i] = e.Position
		}
		release(got)
		switch n := t.dice.n(20); {
		case n < 8:
			p := pick(t.dice, positions...)
			r.cumulates(p)
			k.AckCumulative(p, nil, nil)
		case n < 16:
			var acks []managed.Ack
			for _, p := range positions {
				if t.dice.one(2) {
					acks = append(acks, managed.Ack{Position: p})
				}
			}
			r.acks(acks)
			k.AckIndividual(acks)
		case n < 19:
			resets, _ := r.before()
			at, dirty := t.look(name)
			err := k.Flush(ctx)
			if err == nil && dirty { // else it was written before, and another owner may have moved it since
				r.flushedTo(at, resets)
				t.noDoubt(i)
			}
			t.c.h.note("%s flushes %s at %v: %v", t.name, name, at, err)
		default:
			p := pick(t.dice, positions...)
			if first, ok := t.l.First(); ok && t.dice.one(2) {
				p = first
			}
			r.resetsTo(p)
			t.c.h.count("seeks", 1)
			t.c.h.note("%s resets %s to %v: %v", t.name, name, p, k.Reset(ctx, p))
		}
		if t.dice.one(40) {
			_ = t.l.Trim(ctx)
		}
	}
}

// look is where a cursor stands and whether that is still to be written.
func (t *tenure) look(name string) (at bk.Position, dirty bool) {
	for _, k := range t.l.Info().Cursors {
		if k.Name == name {
			return k.MarkDelete, k.Dirty
		}
	}
	return bk.Earliest, false
}

// noDoubt is told that the owner could write a cursor, so that it was found as it was.
func (t *tenure) noDoubt(i int) {
	if t.doubts[i] != "" {
		t.c.h.fault("%s", t.doubts[i])
		t.doubts[i] = ""
	}
}
