package quorum

import (
	"slices"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"pgregory.net/rapid"
)

func drawQuorum(t *rapid.T) bk.Quorum {
	e := rapid.IntRange(1, 7).Draw(t, "ensemble")
	w := rapid.IntRange(1, e).Draw(t, "write")
	return bk.Quorum{Ensemble: e, Write: w, Ack: rapid.IntRange(1, w).Draw(t, "ack")}
}

// TestStriping: the write set is what the bookies that hold an entry are, Run is what Holds says entry by entry.
func TestStriping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuorum(t)
		entry := rapid.Int64Range(0, 1<<40).Draw(t, "entry")
		set := WriteSet(nil, entry, q)
		if len(set) != q.Write || set[0] != First(entry, q) {
			t.Fatalf("write set %v", set)
		}
		for i := range q.Ensemble {
			if Holds(i, entry, q) != slices.Contains(set, i) {
				t.Fatalf("index %d, write set %v", i, set)
			}
			n := int64(0)
			for n < 20 && Holds(i, entry+n, q) {
				n++
			}
			if got := Run(i, entry, q, 20); got != n {
				t.Fatalf("index %d holds a run of %d, not %d", i, n, got)
			}
		}
	})
}

// TestCoverageIsTight: the answers are enough exactly when every ack quorum that can have formed has a member that answered.
func TestCoverageIsTight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuorum(t)
		heard := Set(rapid.Uint64Range(0, uint64(All(q.Ensemble))).Draw(t, "heard"))
		unheard := false // some entry may have been acknowledged by bookies that nobody heard
		for entry := range int64(q.Ensemble) {
			silent := 0
			for _, i := range WriteSet(nil, entry, q) {
				if !heard.Has(i) {
					silent++
				}
			}
			unheard = unheard || silent >= q.Ack
		}
		if Covered(heard, q) == unheard {
			t.Fatalf("%+v heard %b: covered %v", q, heard, !unheard)
		}
	})
}

// TestMissingMeansNeverAcked: when as many bookies as Missing asks for lack an entry, no ack quorum can have had it.
func TestMissingMeansNeverAcked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuorum(t)
		has := rapid.IntRange(0, q.Write).Draw(t, "bookies of the write set that have the entry")
		if acked := has >= q.Ack; acked && Missing(q.Write-has, q) {
			t.Fatalf("%+v: acknowledged by %d, yet missing", q, has)
		}
		if has < q.Ack && !Missing(q.Write-has, q) {
			t.Fatalf("%+v: only %d have it, yet not missing when all answered", q, has)
		}
	})
}

// TestWindowAgainstModel plays random pushes, acknowledgements and replacements against a plain model.
func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuorum(t)
		first := rapid.Int64Range(0, 100).Draw(t, "first")
		w := NewWindow(q, first)
		var model []map[int]bool // of each entry ever pushed
		confirmed := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 40).Draw(t, "n") {
					if got := w.Push(); got != first+int64(len(model)) {
						t.Fatalf("pushed as %d", got)
					}
					model = append(model, map[int]bool{})
				}
			},
			"ack": func(t *rapid.T) {
				i := rapid.IntRange(-2, len(model)+2).Draw(t, "entry")
				index := rapid.IntRange(0, q.Ensemble-1).Draw(t, "index")
				w.Ack(first+int64(i), index)
				if i >= confirmed && i < len(model) && Holds(index, first+int64(i), q) {
					model[i][index] = true
				}
			},
			"ack all": func(t *rapid.T) {
				index := rapid.IntRange(0, q.Ensemble-1).Draw(t, "index")
				for i := confirmed; i < len(model); i++ {
					w.Ack(first+int64(i), index)
					if Holds(index, first+int64(i), q) {
						model[i][index] = true
					}
				}
			},
			"forget": func(t *rapid.T) {
				index := rapid.IntRange(0, q.Ensemble-1).Draw(t, "index")
				w.Forget(index)
				for i := confirmed; i < len(model); i++ {
					delete(model[i], index)
				}
			},
			"confirm": func(t *rapid.T) {
				n := 0
				for confirmed < len(model) && len(model[confirmed]) >= q.Ack {
					confirmed++
					n++
				}
				if got := w.Confirm(); got != n {
					t.Fatalf("confirmed %d, want %d", got, n)
				}
			},
			"": func(t *rapid.T) {
				if w.LAC() != first+int64(confirmed)-1 || w.Pending() != len(model)-confirmed {
					t.Fatalf("lac %d, %d pending", w.LAC(), w.Pending())
				}
				for i := confirmed; i < len(model); i++ {
					for index := range q.Ensemble {
						if w.acks[w.at(i-confirmed)].Has(index) != model[i][index] {
							t.Fatalf("entry %d, index %d: %v", i, index, !model[i][index])
						}
					}
				}
			},
		})
	})
}

// TestChoose: the chosen are different candidates, none excluded, avoided ones only for want of others, as many as there are.
func TestChoose(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := []string{"a", "b", "c", "d", "e", "f"}
		some := rapid.SliceOfDistinct(rapid.SampledFrom(all), rapid.ID[string])
		candidates, without, avoid := some.Draw(t, "candidates"), some.Draw(t, "without"), some.Draw(t, "avoid")
		n := rapid.IntRange(0, 6).Draw(t, "n")
		before := slices.Clone(candidates)
		got := Choose(n, candidates, without, avoid, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "pick") })
		if !slices.Equal(before, candidates) {
			t.Fatal("the candidates were changed")
		}
		usable, good := 0, 0
		for _, c := range candidates {
			if !slices.Contains(without, c) {
				usable++
				if !slices.Contains(avoid, c) {
					good++
				}
			}
		}
		if len(got) != min(n, usable) {
			t.Fatalf("%d chosen of %d", len(got), usable)
		}
		seen := map[string]bool{}
		avoided := 0
		for _, c := range got {
			if seen[c] || !slices.Contains(candidates, c) || slices.Contains(without, c) {
				t.Fatalf("chose %v", got)
			}
			seen[c] = true
			if slices.Contains(avoid, c) {
				avoided++
			}
		}
		if want := max(0, len(got)-good); avoided != want {
			t.Fatalf("chose %v: %d of those to avoid, want %d", got, avoided, want)
		}
	})
}

func BenchmarkWindow(b *testing.B) {
	w := NewWindow(bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, 0)
	b.ReportAllocs()
	for b.Loop() {
		e := w.Push()
		w.Ack(e, 0)
		w.Ack(e, 1)
		w.Confirm()
		w.Ack(e, 2)
	}
}
