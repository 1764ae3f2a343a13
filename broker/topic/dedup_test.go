package topic

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/strobemq/strobe/storage/bk"
)

// TestDedupTranscript drives one producer's entry: pushes that are judged, and completions in order.
func TestDedupTranscript(t *testing.T) {
	d := newDedup()
	e := d.entry("p", 0)
	var flying []sent
	n := uint64(0)
	names := map[verdict]string{store: "store", duplicate: "duplicate", wait: "wait", covered: "covered"}
	runTranscript(t, "dedup.txt", func(cmd string, args []string) string {
		switch cmd {
		case "send": // send first [highest] or send seq chunk/chunks [uuid]
			s := parseSent(t, args)
			v := e.judge(s)
			if v == store {
				flying = append(flying, s)
			}
			return names[v] + "\n"
		case "stored": // stored n: the next n that fly are stored
			for range atoi(t, args[0]) {
				n++
				e.stored(flying[0], bk.Position{Ledger: 1, Entry: int64(n)}, n)
				flying = flying[1:]
			}
		case "lost": // what flies is lost
			flying = nil
			d.settle()
		case "known":
			return fmt.Sprintln(e.known(parseSent(t, args)))
		case "restart": // from a snapshot
			p, longs := d.snapshot(bk.Position{Ledger: 1, Entry: int64(n)}, n)
			d = newDedup()
			e = d.entry("p", 0)
			flying = nil
			for _, l := range longs {
				e.pushed, e.persisted = l.Value, l.Value
			}
			return fmt.Sprintf("snapshot at %v: %v\n", p, longs)
		}
		return fmt.Sprintf("pushed %d persisted %d\n", e.pushed, e.persisted)
	})
}

// TestDedupKeepsEachMessageOnce: a producer whose connection breaks, whose broker crashes and who sends again what was not acknowledged, in the same
// batches, has each message in the log once, in order, and is never told that something is stored which is not.
func TestDedupKeepsEachMessageOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var log []sent // what the ledger holds
		var flying []sent
		d := newDedup()
		e := d.entry("p", 0)
		// The producer's messages, in batches that never change; acked counts the batches acknowledged, sentUpTo those sent on this connection.
		var batches []sent
		for i := int64(0); i < 60; {
			size := rapid.Int64Range(1, 4).Draw(t, "size")
			if chunks := rapid.Int32Range(-1, 4).Draw(t, "chunks"); chunks > 1 {
				for c := range chunks {
					batches = append(batches, sent{first: i, highest: i, chunk: c, chunks: chunks, size: 10, uuid: fmt.Sprint("p-", i)})
				}
				i++
				continue
			}
			batches = append(batches, sent{first: i, highest: i + size - 1})
			i += size
		}
		acked, next := 0, 0
		var waiting []int // batches of this connection that wait, in order, with those that fly
		stored := func(s sent) bool {
			for _, l := range log {
				if l == s {
					return true
				}
			}
			return false
		}
		acknowledge := func() {
			for len(waiting) > 0 && e.known(batches[waiting[0]]) {
				if !stored(batches[waiting[0]]) {
					t.Fatalf("%+v is acknowledged and not stored", batches[waiting[0]])
				}
				acked = max(acked, waiting[0]+1)
				waiting = waiting[1:]
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				if next == len(batches) {
					t.Skip()
				}
				s := batches[next]
				switch e.judge(s) {
				case store:
					flying = append(flying, s)
					waiting = append(waiting, next)
				case wait:
					waiting = append(waiting, next)
				case duplicate:
					if !stored(s) {
						t.Fatalf("%+v is taken for a duplicate and not stored", s)
					}
					waiting = append(waiting, next)
				case covered:
					t.Fatalf("%+v is refused", s)
				}
				next++
				acknowledge()
			},
			"store": func(t *rapid.T) {
				if len(flying) == 0 {
					t.Skip()
				}
				log = append(log, flying[0])
				e.stored(flying[0], bk.Position{Ledger: 1, Entry: int64(len(log))}, uint64(len(log)))
				flying = flying[1:]
				acknowledge()
			},
			"reconnect": func(t *rapid.T) { next, waiting = acked, nil },
			"crash": func(t *rapid.T) {
				// Some of what flies made it. A snapshot was taken anywhere in the log; what lies behind its position is replayed.
				k := rapid.IntRange(0, len(flying)).Draw(t, "survive")
				log = append(log, flying[:k]...)
				at := rapid.IntRange(0, len(log)).Draw(t, "snapshot at")
				before := newDedup()
				replay(before, log, 0, at)
				p, longs := before.snapshot(bk.Position{Ledger: 1, Entry: int64(at)}, uint64(at))
				d, flying = newDedup(), nil
				for _, l := range longs {
					x := d.entry(l.Name, 0)
					x.pushed, x.persisted = l.Value, l.Value
				}
				replay(d, log, int(p.Entry), len(log))
				e = d.entry("p", 0)
				next, waiting = acked, nil
			},
			"": func(t *rapid.T) {
				seen := map[sent]bool{}
				last := sent{highest: -1}
				for _, s := range log {
					if seen[s] || s.highest < last.highest {
						t.Fatalf("%+v after %+v", s, last)
					}
					seen[s], last = true, s
				}
			},
		})
	})
}

// replay tells d of log[from:to]; entry i of the ledger is log[i-1].
func replay(d *dedup, log []sent, from, to int) {
	for i := from; i < to; i++ {
		d.entry("p", 0).stored(log[i], bk.Position{Ledger: 1, Entry: int64(i + 1)}, uint64(i+1))
	}
	d.settle()
}

func TestDedupForgets(t *testing.T) {
	d := newDedup()
	day := int64(24 * time.Hour / time.Millisecond)
	d.entry("old", 0).current = nil
	d.entry("connected", 0).current = &Producer{}
	d.entry("pushing", 0).pushed = 7
	d.entry("young", 6*day)
	d.forget(8*day - remembered)
	for name, want := range map[string]bool{"old": false, "connected": true, "pushing": true, "young": true} {
		if _, got := d.producers[name]; got != want {
			t.Errorf("%s is remembered: %v", name, got)
		}
	}
	for i := range dedupProducers + 10 {
		d.entry(fmt.Sprint("p", i), 7*day+int64(i))
	}
	d.forget(0)
	if n := len(d.producers); n != dedupProducers {
		t.Errorf("%d producers are remembered, at most %d", n, dedupProducers)
	}
	if d.producers["young"] != nil || d.producers["p0"] != nil || d.producers[fmt.Sprint("p", dedupProducers+9)] == nil {
		t.Error("not the ones that were silent longest went")
	}
}
