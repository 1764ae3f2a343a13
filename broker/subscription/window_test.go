package subscription

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/strobemq/strobe/storage/bk"
)

// TestWindowIsASortedMap compares a window with a map under random commands.
func TestWindowIsASortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		type content struct {
			waiting bool
			id      uint32
		}
		model := map[bk.Position]content{}
		position := rapid.Custom(func(t *rapid.T) bk.Position {
			return bk.Position{Ledger: rapid.Int64Range(3, 5).Draw(t, "ledger"), Entry: rapid.Int64Range(0, 200).Draw(t, "entry")}
		})
		n := uint32(0)
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				p := position.Draw(t, "p")
				sl := w.add(p)
				if _, had := model[p]; !had {
					if *sl != (slot{}) {
						t.Fatalf("a new slot is not empty: %+v", sl)
					}
					n++
					sl.redelivery = n
					model[p] = content{id: n}
				}
			},
			"wait or take": func(t *rapid.T) {
				p := position.Draw(t, "p")
				c, had := model[p]
				if !had {
					return
				}
				if c.waiting = rapid.Bool().Draw(t, "wait"); c.waiting {
					w.wait(p)
				} else {
					w.take(p)
				}
				model[p] = c
			},
			"remove": func(t *rapid.T) {
				p := position.Draw(t, "p")
				w.remove(p)
				delete(model, p)
			},
			"remove through": func(t *rapid.T) {
				p := position.Draw(t, "p")
				gone := 0
				w.removeThrough(p, func(q bk.Position, sl *slot) {
					gone++
					if model[q].id != sl.redelivery || p.Less(q) {
						t.Fatalf("%v went, up to %v", q, p)
					}
				})
				for q := range model {
					if q.Compare(p) <= 0 {
						delete(model, q)
						gone--
					}
				}
				if gone != 0 {
					t.Fatalf("%d too many or too few went", gone)
				}
			},
			"": func(t *rapid.T) {
				waiting, last := 0, bk.Earliest
				for p, c := range model {
					if sl := w.get(p); sl == nil || sl.redelivery != c.id {
						t.Fatalf("%v: %+v, want %+v", p, sl, c)
					}
					if c.waiting {
						waiting++
					}
				}
				if w.present != len(model) || w.waiting != waiting {
					t.Fatalf("%d present, %d waiting; want %d, %d", w.present, w.waiting, len(model), waiting)
				}
				w.each(func(p bk.Position, _ *slot) bool {
					if !last.Less(p) {
						t.Fatalf("%v after %v", p, last)
					}
					last = p
					return true
				})
				seen := 0
				w.eachWaiting(func(p bk.Position, _ *slot) bool {
					seen++
					if !model[p].waiting {
						t.Fatalf("%v does not wait", p)
					}
					return true
				})
				if seen != waiting {
					t.Fatalf("%d of %d that wait", seen, waiting)
				}
			},
		})
	})
}

// TestWindowEachMayRemove removes while walking.
func TestWindowEachMayRemove(t *testing.T) {
	var w window
	for i := range int64(300) {
		w.add(bk.Position{Ledger: 1, Entry: i})
	}
	n := 0
	w.each(func(p bk.Position, _ *slot) bool {
		n++
		w.remove(p)
		return true
	})
	if n != 300 || w.present != 0 || len(w.blocks) != 0 {
		t.Errorf("%d walked, %d left in %d blocks", n, w.present, len(w.blocks))
	}
}
