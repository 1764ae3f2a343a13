package managed

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/strobemq/strobe/storage/bk"
)

// naive is what an ackSet must behave like.
type naive map[bk.Position]bool

func (m naive) ranges() []ackRange {
	var ps []bk.Position
	for p := range m {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, bk.Position.Compare)
	var rs []ackRange
	for _, p := range ps {
		if n := len(rs); n > 0 && rs[n-1].ledger == p.Ledger && rs[n-1].last == p.Entry-1 {
			rs[n-1].last++
			continue
		}
		rs = append(rs, ackRange{p.Ledger, p.Entry, p.Entry})
	}
	return rs
}

func TestAckSetAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s ackSet
		m := naive{}
		wide := rapid.SampledFrom([]int64{8, 200, 5000}).Draw(t, "entries")
		pos := func() bk.Position {
			return bk.Position{Ledger: rapid.Int64Range(3, 6).Draw(t, "ledger"), Entry: rapid.Int64Range(0, wide).Draw(t, "entry")}
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(*rapid.T) {
				p := pos()
				if s.set(p) == m[p] {
					t.Fatalf("set %v: new and known disagree", p)
				}
				m[p] = true
			},
			"range": func(*rapid.T) {
				p := pos()
				last := p.Entry + rapid.Int64Range(0, 3000).Draw(t, "more")
				s.setRange(p.Ledger, p.Entry, last)
				for ; p.Entry <= last; p.Entry++ {
					m[p] = true
				}
			},
			"drop": func(*rapid.T) {
				p := pos()
				p.Entry--
				s.dropThrough(p)
				for q := range m {
					if q.Compare(p) <= 0 {
						delete(m, q)
					}
				}
			},
			"": func(*rapid.T) {
				var got []ackRange
				s.each(func(r ackRange) bool { got = append(got, r); return true })
				want := m.ranges()
				if !slices.Equal(got, want) {
					t.Fatalf("ranges %v, want %v", got, want)
				}
				if s.n != int64(len(m)) || s.runs != len(want) {
					t.Fatalf("%d bits in %d runs counted, want %d in %d", s.n, s.runs, len(m), len(want))
				}
				p := pos()
				if s.has(p) != m[p] {
					t.Fatalf("has %v", p)
				}
				e := p.Entry
				for m[bk.Position{Ledger: p.Ledger, Entry: e}] {
					e++
				}
				if got := s.clearFrom(p.Ledger, p.Entry); got != e {
					t.Fatalf("first clear from %v is %d, want %d", p, got, e)
				}
			},
		})
	})
}

func BenchmarkAckSet(b *testing.B) {
	var s ackSet
	b.ReportAllocs()
	for i := range b.N {
		// acknowledged out of order in pairs, mark-delete following
		e := int64(i ^ 1)
		s.set(bk.Position{Ledger: 1, Entry: e})
		if i&1 == 1 {
			s.dropThrough(bk.Position{Ledger: 1, Entry: int64(i)})
		}
	}
}
