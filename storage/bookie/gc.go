package bookie

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

// maxHints is how many deletions that a watch told of may wait; beyond it everything is looked through.
const maxHints = 16 << 10

// collector drops ledgers that are gone from the metadata (interop §5.6). Deletions come by a watch; from time to time,
// and first a while after the start, all ledgers here are compared with the metadata. A ledger is dropped only when its own
// node is read and is not there, and when the metadata is still that of this bookie's cluster.
type collector struct {
	b      *Bookie
	store  meta.Store
	cookie bkwire.Cookie

	wake chan struct{}

	mu    sync.Mutex
	hints []int64
	all   bool // look through everything
}

// collect starts the collector; it ends with Close.
func (b *Bookie) collect(store meta.Store, cookie bkwire.Cookie, interval time.Duration) {
	c := &collector{b: b, store: store, cookie: cookie, wake: make(chan struct{}, 1)}
	life, stop := context.WithCancel(context.Background())
	if err := store.Watch(life, bkwire.Root, c.event); err != nil {
		b.log.Warn("deletions of ledgers are not watched; space is freed later", "error", err)
	}
	var done sync.WaitGroup
	done.Go(func() { c.run(life, interval) })
	b.duty = append(b.duty, func() {
		stop()
		done.Wait()
	})
}

// event is called by the metadata store's watch.
func (c *collector) event(e meta.Event) {
	c.mu.Lock()
	if e.Key == bkwire.Root && !e.Deleted { // changes were missed
		c.all = true
	}
	id, ok := bkwire.ParseLedgerPath(e.Key)
	switch {
	case !e.Deleted || !ok:
	case len(c.hints) == maxHints:
		c.all = true
	default:
		c.hints = append(c.hints, id)
	}
	something := c.all || len(c.hints) > 0
	c.mu.Unlock()
	if something {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

func (c *collector) run(ctx context.Context, interval time.Duration) {
	timer := time.NewTimer(min(interval, time.Minute))
	defer timer.Stop()
	for {
		all := false
		select {
		case <-ctx.Done():
			return
		case <-c.wake:
		case <-timer.C:
			all = true
			timer.Reset(interval)
		}
		c.mu.Lock()
		candidates := c.hints
		c.hints, all, c.all = nil, all || c.all, false
		c.mu.Unlock()
		err := c.pass(ctx, candidates, all)
		if err != nil && ctx.Err() == nil {
			c.b.log.Error("ledgers are not collected", "error", err)
		}
	}
}

// pass drops those of the candidates, or of all ledgers here, that the metadata does not know.
func (c *collector) pass(ctx context.Context, candidates []int64, all bool) error {
	if err := c.checkRoot(ctx); err != nil {
		return err
	}
	if all {
		c.b.openGraves(ctx)
		var err error
		if candidates, err = c.absent(ctx); err != nil {
			return err
		}
	}
	var gone []int64
	for _, id := range candidates {
		if _, err := c.b.store.Ledger(id); code(err) == bk.ErrNoLedger && err != nil {
			continue // not here
		}
		_, err := c.store.Get(ctx, bkwire.LedgerPath(id))
		if errors.Is(err, meta.ErrNotFound) {
			gone = append(gone, id)
		} else if err != nil {
			return fmt.Errorf("ledger %d: %w", id, err)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	if err := c.checkRoot(ctx); err != nil {
		return err
	}
	for _, id := range gone {
		c.b.drop(id)
	}
	return nil
}

// checkRoot makes sure that the metadata is that of this bookie's cluster and knows this bookie. An empty or foreign store
// knows none of the ledgers here, which must not be taken for their deletion.
func (c *collector) checkRoot(ctx context.Context) error {
	instance, cookie, err := readCookie(ctx, c.store, c.b.id)
	if err != nil {
		return err
	}
	if instance != c.cookie.InstanceID || cookie == nil || !sameCookie(cookie, &c.cookie) {
		return fault.BookieWrongRoot.New("instance %q, expected %q; the bookie's cookie there: %t", instance, c.cookie.InstanceID, cookie != nil)
	}
	return nil
}

// absent is the ledgers here that a list of the metadata's leaves does not show.
func (c *collector) absent(ctx context.Context) ([]int64, error) {
	leaves := map[string][]int64{} // ledgers here by the directory of their node
	c.b.store.Ledgers(func(id int64) bool {
		if isGrave(id) {
			return ctx.Err() == nil
		}
		dir := path.Dir(bkwire.LedgerPath(id))
		leaves[dir] = append(leaves[dir], id)
		return ctx.Err() == nil
	})
	var out []int64
	for dir, here := range leaves {
		names, err := c.store.List(ctx, dir)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", dir, err)
		}
		for _, id := range here {
			if _, ok := slices.BinarySearchFunc(names, path.Base(bkwire.LedgerPath(id)), strings.Compare); !ok {
				out = append(out, id)
			}
		}
	}
	return out, ctx.Err()
}

// drop has the store delete a ledger. Whoever still writes to it is told that it is fenced, if it was.
func (b *Bookie) drop(ledger int64) {
	st, err := b.acquire(ledger)
	if err != nil {
		b.log.Warn("ledger not dropped", "ledger", ledger, "error", err)
		return
	}
	defer b.release(st)
	b.hold(st)
	fenced := st.fence != nil
	st.hasKey, st.fence, st.lost, st.buried = false, nil, false, fenced
	if fenced {
		b.bury(st)
	} else {
		b.delete(st)
	}
}

// delete has the store delete a ledger that the caller holds; it is let go when that is done.
func (b *Bookie) delete(st *ledgerState) {
	b.store.Append([]*bk.Record{{Kind: bk.RecordDelete, Ledger: st.id, Done: (*dropDone)(b), Ctx: st}})
}

// notDropped leaves a ledger as the store knows it; the next pass tries again.
func (b *Bookie) notDropped(st *ledgerState, why error) {
	st.mu.Lock()
	st.loaded = false
	st.mu.Unlock()
	b.log.Warn("ledger not dropped", "ledger", st.id, "error", why)
	b.letGo(st)
}

// dropDone learns what became of a deletion. One that failed is tried again at the next pass.
type dropDone Bookie

func (d *dropDone) RecordsDone(done []*bk.Record) {
	b := (*Bookie)(d)
	for _, r := range done {
		st := r.Ctx.(*ledgerState)
		if r.Err != bk.OK {
			b.notDropped(st, r.Err)
			continue
		}
		if !isGrave(st.id) {
			b.metrics.dropped.Add(1)
		}
		b.letGo(st)
	}
}
