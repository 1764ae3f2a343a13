package segment

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/vfs"
)

// hammered is a ledger that one goroutine writes, several read, and one deletes at last.
type hammered struct {
	id      int64
	acked   atomic.Int64 // entries below are acknowledged
	deleted atomic.Bool  // its delete may have been submitted
}

func (h *hammered) RecordsDone(done []*bk.Record) {
	for _, r := range done {
		if r.Kind == bk.RecordEntry && r.Err == bk.OK {
			h.acked.Store(r.Entry + 1)
		}
	}
}

// TestHammer appends, reads and deletes from many goroutines while segments are sealed, freed, copied and recycled beneath them: an
// entry that was acknowledged and whose ledger lives is always there.
func TestHammer(t *testing.T) {
	bk.PoisonSlabs(true)
	defer bk.PoisonSlabs(false)
	l := open(t, vfs.NewMem(), small())
	var mu sync.Mutex
	var ledgers []*hammered
	failure := make(chan error, 3)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for g := range 3 {
		readers.Add(1)
		go func() {
			defer readers.Done()
			r := rand.New(rand.NewPCG(uint64(g), 9))
			for {
				select {
				case <-stop:
					return
				default:
				}
				mu.Lock()
				var h *hammered
				if len(ledgers) > 0 {
					h = ledgers[r.IntN(len(ledgers))]
				}
				mu.Unlock()
				if h == nil || h.acked.Load() == 0 {
					gosched()
					continue
				}
				if err := readHammered(l, h, r); err != nil {
					failure <- err
					return
				}
			}
		}()
	}
	var writers sync.WaitGroup
	for g := range int64(3) {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for n := range int64(12) {
				h := &hammered{id: g*1000 + n}
				mu.Lock()
				ledgers = append(ledgers, h)
				mu.Unlock()
				writeHammered(l, h, n%4 != 0)
			}
		}()
	}
	writers.Wait()
	await(t, l, "sealing and freeing", func() bool { m := l.Metrics(); return m.OpenSegments == 1 && m.Freed > 0 })
	close(stop)
	readers.Wait()
	select {
	case err := <-failure:
		t.Fatal(err)
	default:
	}
	for _, h := range ledgers {
		if !h.deleted.Load() {
			checkEntries(t, l, h.id, 0, h.acked.Load()-1, 400)
		}
	}
}

func writeHammered(l *Log, h *hammered, remove bool) {
	const n = 150
	w := newWaiter()
	for e := int64(0); e < n; e += 5 {
		var list []*bk.Record
		for i := range int64(5) {
			r := entry(h.id, e+i, 400)
			r.Done = h
			list = append(list, r)
		}
		l.Append(list)
	}
	mark := key(h.id)
	mark.Done = w
	l.Append([]*bk.Record{mark})
	w.wait(1)
	if remove {
		h.deleted.Store(true)
		appendAll(l, &bk.Record{Kind: bk.RecordDelete, Ledger: h.id})
	}
}

func readHammered(l *Log, h *hammered, r *rand.Rand) error {
	acked := h.acked.Load()
	first := r.Int64N(acked)
	got, err := l.Read(h.id, first, acked-1, 1+r.IntN(20_000))
	if err != nil {
		if h.deleted.Load() && (errors.Is(err, bk.ErrNoLedger) || errors.Is(err, bk.ErrNoEntry)) {
			return nil
		}
		return fmt.Errorf("ledger %d entry %d of %d: %w\n%s", h.id, first, acked, err, l.describe(h.id))
	}
	for i, e := range got {
		if e.Entry != first+int64(i) || string(e.Payload.B) != string(body(h.id, e.Entry, 400)) {
			return fmt.Errorf("ledger %d entry %d: other bytes", h.id, e.Entry)
		}
		e.Payload.Release()
	}
	if last, err := l.LastEntry(h.id); err == nil && last < acked-1 || err != nil && !h.deleted.Load() {
		return fmt.Errorf("ledger %d: last entry %d, %v, of %d", h.id, last, err, acked)
	}
	return nil
}
