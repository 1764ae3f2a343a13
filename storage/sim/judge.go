package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/quorum"
)

// stored is an entry that a judge found.
type stored struct {
	pos     bk.Position
	payload string
}

// judgeBytes is how much a judge reads at a time: what the narrowest connection (plan.Window) passes well within the shortest Timeout. A megabyte of large
// entries took longer on it, each time again.
const judgeBytes = 16 << 10

// judge says what the history broke. Everything runs and nobody owns the topic any more. Two new brokers open it one after the other: the
// first reads everything and publishes, the second finds the same.
func (c *cluster) judge() {
	first, ok := c.witness("judge-1")
	if !ok {
		return
	}
	c.judgeEntries(first)
	c.judgeReaders(first)
	c.judgeCopies(first)
	second, ok := c.witness("judge-2")
	if !ok {
		return
	}
	was := first
	for len(was) > 0 && c.plan.Config.RetentionBytes == 0 && (len(second) == 0 || was[0].pos.Less(second[0].pos)) {
		was = was[1:] // trimmed meanwhile
	}
	for i, e := range was {
		if i >= len(second) || second[i] != e {
			c.h.fault("the second judge does not read %.20q at %v, which the first did", e.payload, e.pos)
			return
		}
	}
	if more := len(second) - len(first); more != lastWords && c.plan.Config.RetentionBytes < 0 {
		c.h.fault("the second judge finds %d more entries than the first, who published %d", more, lastWords)
	}
}

// lastWords is how many entries a judge publishes when it has read everything.
const lastWords = 3

// witness is a new broker that owns the topic, reads all of it, publishes, and ends.
func (c *cluster) witness(node string) (all []stored, ok bool) {
	b := c.startBroker(node)
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), settleTime)
		b.shut(ctx)
		c.within(node+" ends", func() { <-b.closed })
		cancel()
	}()
	c.within(node+" reads everything", func() {
		ctx, cancel := context.WithTimeout(b.p.ctx, settleTime-time.Second)
		defer cancel()
		b.life.Wait()
		var t *tenure
		for t == nil && sleep(ctx, startPause) == nil {
			t = b.open()
		}
		if t == nil {
			c.h.fault("%s does not get the topic", node)
			return
		}
		for i := range cursors {
			t.noDoubt(i) // nobody else was there
		}
		for t.l.Trim(ctx) != nil && sleep(ctx, startPause) == nil {
			// What is consumed goes now, and not while we read.
		}
		for after := bk.Earliest; ; {
			got, err := t.l.Read(ctx, after, 100, judgeBytes)
			if err != nil && ctx.Err() == nil {
				c.h.note("%s reads behind %v: %v", node, after, err)
				_ = sleep(ctx, startPause)
				continue
			}
			if err != nil {
				c.h.fault("%s cannot read behind %v: %v", node, after, err)
				return
			}
			if len(got) == 0 {
				break
			}
			for _, e := range got {
				all = append(all, stored{e.Position, string(e.Payload.B)})
				after = bk.Position{Ledger: e.Position.Ledger, Entry: e.Position.Entry + 1}
			}
			release(got)
		}
		if first, _ := t.l.First(); int64(len(all)) != t.l.Info().Entries {
			c.h.fault("%s reads %d entries, the topic says it has %d from %v on", node, len(all), t.l.Info().Entries, first)
		}
		t.send(lastWords)
		c.record.wait()
		c.record.mu.Lock()
		last := c.record.entries[len(c.record.entries)-1]
		c.record.mu.Unlock()
		if !last.acked {
			c.h.fault("%s cannot publish: %v", node, last.err)
		}
		if err := t.l.Close(ctx); err != nil {
			c.h.fault("%s does not close the topic: %v", node, err)
		}
		ok = true
	})
	return all, ok
}

// judgeEntries compares what is there with what was published.
func (c *cluster) judgeEntries(all []stored) {
	r := c.record
	r.mu.Lock()
	defer r.mu.Unlock()
	byPayload := map[string]*entry{}
	for _, e := range r.entries {
		byPayload[e.payload] = e
	}
	there, places := map[bk.Position]string{}, map[string]bk.Position{}
	type tail struct {
		number int
		pos    bk.Position
	}
	last := map[*tenure]tail{}
	for _, s := range all {
		there[s.pos] = s.payload
		e := byPayload[s.payload]
		if e == nil {
			c.h.fault("%.40q at %v was never published", s.payload, s.pos)
			continue
		}
		if was, twice := places[s.payload]; twice {
			c.h.fault("%.20q is there twice, at %v and %v (acknowledged: %v at %v)", s.payload, was, s.pos, e.acked, e.pos)
		}
		places[s.payload] = s.pos
		if was, ok := last[e.tenure]; ok && was.number > e.number {
			c.h.fault("%s's entry %d is at %v, behind its entry %d at %v", e.tenure.name, e.number, s.pos, was.number, was.pos)
		}
		last[e.tenure] = tail{e.number, s.pos}
	}
	c.judgeTime(all, byPayload)
	for _, e := range r.entries {
		if !e.acked || e.tenure.b.p.node == "judge-1" {
			continue
		}
		switch s, ok := there[e.pos]; {
		case ok && s != e.payload:
			c.h.fault("%v was acknowledged, %.20q is there", e, s)
		case !ok && !c.trimmed(all, e.pos):
			c.h.fault("%v was acknowledged and is lost; it was published by %s, sent at %v, acknowledged at %v", e, e.tenure.b.p.node, e.sent, e.done)
		}
	}
}

// trimmed reports whether the entry at p may be gone: everything there is lies behind it, and it was consumed.
func (c *cluster) trimmed(all []stored, p bk.Position) bool {
	return (len(all) == 0 || p.Less(all[0].pos)) && c.consumed(p)
}

// consumed reports whether an owner may have trimmed the entry at p: every cursor had it acknowledged. One that lost its topic before it could
// record that trimmed it for itself alone.
func (c *cluster) consumed(p bk.Position) bool {
	if c.plan.Config.RetentionBytes < 0 {
		return false
	}
	for i := range cursors {
		if k := c.record.cursors[cursorName(i)]; k == nil || !k.was(p) {
			return false
		}
	}
	return true
}

// judgeTime: an entry that was sent after another one was acknowledged is behind it.
func (c *cluster) judgeTime(all []stored, byPayload map[string]*entry) {
	soonest, which := time.Duration(math.MaxInt64), (*entry)(nil)
	for _, s := range slices.Backward(all) {
		e := byPayload[s.payload]
		if e == nil {
			continue
		}
		if soonest < e.sent {
			c.h.fault("%.20q, sent at %v, is at %v before %v, which was acknowledged at %v", e.payload, e.sent, s.pos, which, soonest)
			return
		}
		if e.acked && e.done < soonest {
			soonest, which = e.done, e
		}
	}
}

// judgeReaders: what was read is there, and nobody skipped what was there to read.
func (c *cluster) judgeReaders(all []stored) {
	r := c.record
	r.mu.Lock()
	defer r.mu.Unlock()
	index := make(map[bk.Position]int, len(all))
	for i, s := range all {
		index[s.pos] = i
		if was, ok := r.seen[s.pos]; ok && was != s.payload {
			c.h.fault("%.20q was read at %v, where now is %.20q", was, s.pos, s.payload)
		}
	}
	for p, s := range r.seen {
		if _, ok := index[p]; !ok && !c.trimmed(all, p) {
			c.h.fault("%.20q was read at %v and is not there any more", s, p)
		}
	}
	for step, who := range r.steps {
		i, ok := index[step[0]]
		j, too := index[step[1]]
		if ok && too && j != i+1 && !c.jumped(step, all[i+1:max(j, i+1)]) {
			c.h.fault("%s read %v after %v, there are %d entries between them", who, step[1], step[0], j-i-1)
		}
	}
}

// jumped reports whether a step over what is between is one to the next ledger, over entries that the reader's owner had trimmed.
func (c *cluster) jumped(step [2]bk.Position, between []stored) bool {
	return step[1].Entry == 0 && len(between) > 0 && !slices.ContainsFunc(between, func(s stored) bool { return !c.consumed(s.pos) })
}

// judgeCopies: every entry lies on an ack quorum of the bookies that the metadata names for it.
func (c *cluster) judgeCopies(all []stored) {
	metas := map[int64]*bkwire.Metadata{}
	for _, s := range all {
		md := metas[s.pos.Ledger]
		if md == nil {
			v, err := c.meta.Store.Get(context.Background(), bkwire.LedgerPath(s.pos.Ledger))
			if errors.Is(err, meta.ErrNotFound) && c.plan.Config.RetentionBytes == 0 {
				continue // trimmed since
			}
			if err == nil {
				md, err = bkwire.DecodeMetadata(v.Data)
			}
			if err != nil {
				c.h.fault("metadata of ledger %d: %v", s.pos.Ledger, err)
				return
			}
			metas[s.pos.Ledger] = md
		}
		if md.State != bkwire.Closed {
			c.h.fault("ledger %d is not closed", s.pos.Ledger)
		}
		segment, _, _ := md.SegmentOf(s.pos.Entry)
		copies := 0
		var missing []string
		for _, i := range quorum.WriteSet(nil, s.pos.Entry, md.Quorum) {
			if err := c.holds(segment.Bookies[i], s); err == nil {
				copies++
			} else {
				missing = append(missing, fmt.Sprintf("%s: %v", segment.Bookies[i], err))
			}
		}
		if copies < md.Quorum.Ack {
			c.h.fault("%.20q at %v is on %d bookies, the ack quorum is %d (%s)", s.payload, s.pos, copies, md.Quorum.Ack, strings.Join(missing, ", "))
			return
		}
	}
}

// holds looks for an entry on a bookie itself.
func (c *cluster) holds(bookie string, s stored) error {
	b := c.bookie(bookie).bookie()
	if b == nil {
		return errors.New("does not run")
	}
	got, err := b.Read(context.Background(), bk.BookieRead{Ledger: s.pos.Ledger, First: s.pos.Entry, Last: s.pos.Entry})
	if err != nil {
		return err
	}
	defer got[0].Payload.Release()
	if !strings.HasSuffix(string(got[0].Payload.B), s.payload) {
		return errors.New("other bytes")
	}
	return nil
}
