package topic

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// indexProperty holds the index of the last message in the managed ledger's node (interop §7.3).
const indexProperty = "index"

func newTopic(r *Topics, n Name, s Settings) *Topic {
	t := &Topic{
		r: r, name: n, log: r.log.With("topic", n.String()), born: r.now(), change: make(chan struct{}, 1), settings: s.withDefaults(),
		producers: map[string]*Producer{}, index: -1, stored: -1,
	}
	t.subs.Store(new([]*subscription.Subscription))
	return t
}

// load opens a topic: the ledger is recovered, subscriptions take up their positions, index and deduplication are brought up to
// the last entry. Nobody is let in before.
func (r *Topics) load(ctx context.Context, n Name, create making) (*Topic, error) {
	if err := r.own(ctx, n); err != nil {
		return nil, err
	}
	var s Settings
	if r.o.Settings != nil {
		var err error
		if s, err = r.o.Settings(ctx, n); err != nil {
			return nil, err
		}
	}
	t := newTopic(r, n, s)
	if !n.Persistent {
		if create == makeNot {
			return nil, managed.ErrNotFound
		}
		if err := r.allow(ctx, n, create); err != nil {
			return nil, err
		}
		t.state, _ = t.state.next(loaded)
		return t, nil
	}
	t.log.Debug("phase begins", "phase", "load") // a kill between this line and the other fell into the phase
	defer t.log.Debug("phase ended", "phase", "load")
	l, err := r.o.Managed.Open(ctx, n.ManagedName(), s.Managed, false)
	made := false
	if errors.Is(err, managed.ErrNotFound) && create != makeNot {
		if err = r.allow(ctx, n, create); err != nil {
			return nil, err
		}
		made = true
		l, err = r.o.Managed.Open(ctx, n.ManagedName(), s.Managed, true)
	}
	if err != nil {
		return nil, err
	}
	t.ledger = l
	err = t.recover(ctx)
	if err == nil {
		err = r.own(ctx, n) // it may have been given up meanwhile, when there was nothing yet to unload
	}
	if err != nil {
		_ = l.Close(ctx) // the first error is the one to tell
		return nil, err
	}
	l.OnUpdate(t.saveIndex)
	l.OnFenced(func(error) { r.fenced(t) })
	if made && r.o.Created != nil {
		r.o.Created(n)
	}
	return t, nil
}

func (r *Topics) own(ctx context.Context, n Name) error {
	if r.o.Own == nil {
		return nil
	}
	return r.o.Own(ctx, n)
}

func (r *Topics) allow(ctx context.Context, n Name, create making) error {
	if r.o.Create == nil || create == makeAlways {
		return nil
	}
	return r.o.Create(ctx, n)
}

// recover brings the topic's memory up to what its ledger holds. Nobody else has the topic yet.
func (t *Topic) recover(ctx context.Context) error {
	props := t.ledger.Properties()
	if v, err := strconv.ParseUint(props[epochProperty], 10, 64); err == nil {
		t.epoch = &v
	}
	if v, err := strconv.ParseInt(props[indexProperty], 10, 64); err == nil {
		t.index = v
	}
	t.position = t.ledger.LastConfirmed()
	if err := t.recoverIndex(ctx); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	t.stored = t.index
	if err := t.recoverDedup(ctx); err != nil {
		return fmt.Errorf("deduplication: %w", err)
	}
	var subs []*subscription.Subscription
	for _, c := range t.ledger.Cursors() {
		if !ownCursor(c.Name()) {
			subs = append(subs, t.newSubscription(c.Name(), c, t.settings.Limits, false))
		}
	}
	t.setSubs(subs)
	if _, ended := t.ledger.Terminated(); ended {
		t.state, _ = t.state.next(loadedEnded)
	} else {
		t.state, _ = t.state.next(loaded)
	}
	return nil
}

// recoverIndex takes the index from the last entry, if it carries one.
func (t *Topic) recoverIndex(ctx context.Context) error {
	if t.position.Entry < 0 {
		return nil
	}
	es, err := t.ledger.Read(ctx, t.position, 1, 1)
	for _, e := range es {
		if b, _, found, err := wire.CutBrokerEntry(e.Payload.B); err == nil && found && b.HasIndex {
			t.index = max(t.index, b.Index)
		}
		e.Payload.Release()
	}
	return err
}

// saveIndex puts the index of the last stored message into the node's properties.
func (t *Topic) saveIndex(props map[string]string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stored >= 0 {
		props[indexProperty] = strconv.FormatInt(t.stored, 10)
	}
}

// recoverDedup loads the last snapshot and replays what was stored behind it. When deduplication is off, what was known is dropped: it
// would be out of date when it is switched on again.
func (t *Topic) recoverDedup(ctx context.Context) error {
	if !t.settings.Dedup {
		if t.ledger.Cursor(dedupCursor) != nil {
			return t.ledger.DeleteCursor(ctx, dedupCursor)
		}
		return nil
	}
	cursor, err := t.ledger.OpenCursor(ctx, dedupCursor, managed.CursorOptions{Start: bk.Latest})
	if err != nil {
		return err
	}
	t.dedup, t.cursor = newDedup(), cursor
	now := t.r.now().UnixMilli()
	for _, l := range cursor.LongProperties() {
		e := t.dedup.entry(l.Name, now)
		e.pushed, e.persisted = l.Value, l.Value
	}
	return t.replayDedup(ctx, now)
}

const (
	replayEntries = 4096
	replayBytes   = 1 << 20
)

// replayDedup reads every entry behind the snapshot.
func (t *Topic) replayDedup(ctx context.Context, now int64) error {
	p := t.cursor.MarkDelete()
	for {
		p = bk.Position{Ledger: p.Ledger, Entry: p.Entry + 1}
		es, err := t.ledger.Read(ctx, p, replayEntries, replayBytes)
		if err != nil {
			return err
		}
		if len(es) == 0 {
			t.dedup.settle()
			return nil
		}
		for _, e := range es {
			t.taken++
			if decode(e.Payload.B, &t.meta) == nil && t.meta.Marker == 0 {
				s := sent{first: int64(t.meta.SequenceID), highest: int64(max(t.meta.SequenceID, t.meta.Highest))}
				s.chunked(&t.meta)
				t.dedup.entry(string(t.meta.ProducerName), now).stored(s, e.Position, t.taken)
			}
			t.dedup.entries++
			t.dedup.bytes += int64(len(e.Payload.B))
			p = e.Position
			e.Payload.Release()
		}
	}
}

// remembered is how long a silent producer's sequence ids are kept.
const remembered = 7 * 24 * 3600 * 1000 // ms

// snapshotLocked writes down the producers' sequence ids where the position is now: when enough was stored since the last time, or at the
// end.
func (t *Topic) snapshotLocked(end bool) {
	d := t.dedup
	if d == nil || d.entries == 0 || !end && d.entries < t.settings.DedupEntries && d.bytes < t.settings.DedupBytes {
		return
	}
	d.forget(t.r.now().UnixMilli() - remembered)
	p, longs := d.snapshot(t.position, t.taken)
	t.cursor.AckCumulative(p, nil, longs)
}
