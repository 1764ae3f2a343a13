package subscription

import (
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// replay gives out entries that wait.
func (d *shared) replay() {
	s := d.s
	if len(s.lackReplay) > 0 {
		return // some of it is being read; revisit stays for when that is given out
	}
	d.revisit = false
	for len(s.lackReplay) == 0 {
		d.pickWaiting()
		if len(d.picked) == 0 || !d.router.begin(d) {
			return
		}
		given := false
		for i, p := range d.picked {
			d.scratch = s.o.Ledger.ReadCached(d.scratch[:0], p, 1, 1)
			if len(d.scratch) == 0 || d.scratch[0].Position != p {
				releaseAll(d.scratch)
				s.lackReplay = append(s.lackReplay[:0], d.picked[i:]...)
				break
			}
			given = d.again(d.scratch[0]) || given
		}
		clear(d.scratch)
		if !given || !d.router.begin(d) {
			return
		}
	}
}

// pickWaiting fills picked with what waits and may be taken now, in order, as far as permits go.
func (d *shared) pickWaiting() {
	d.picked = d.picked[:0]
	for _, c := range d.s.consumers {
		c.picked = 0
	}
	d.window.eachWaiting(func(p bk.Position, sl *slot) bool {
		if d.router.mayTake(d, sl) {
			d.picked = append(d.picked, p)
		}
		return len(d.picked) < d.s.o.Limits.ReadEntries
	})
}

// replayed walks over what waits beside what was read: since it was asked for, earlier entries may have been given back, and an entry
// of a key goes behind them.
func (d *shared) replayed(asked []bk.Position, es []managed.Entry) {
	able := !d.blocked && d.router.begin(d)
	progress := !able
	if able {
		d.window.eachWaiting(func(p bk.Position, sl *slot) bool {
			for len(es) > 0 && es[0].Position.Less(p) { // waits no more
				es[0].Payload.Release()
				es = es[1:]
			}
			switch {
			case len(es) == 0:
				return false
			case es[0].Position != p:
				d.router.stop(sl)
				return true
			case d.again(es[0]):
				progress = true
			default:
				d.router.stop(sl)
			}
			es = es[1:]
			return true
		})
	}
	releaseAll(es)
	// What exists no more would be asked for for ever.
	for _, p := range asked {
		if sl := d.window.get(p); sl != nil && sl.owner == nil {
			if q, ok := d.s.o.Ledger.AtOrAfter(p); !ok || q != p {
				d.forget(p, sl)
				progress = true
			}
		}
	}
	// What nobody took is not read again before something happens.
	d.revisit = d.revisit || progress
}

// again gives out an entry that waits, if it still does and somebody takes it. The payload changes hands.
func (d *shared) again(e managed.Entry) bool {
	s := d.s
	sl := d.window.get(e.Position)
	if sl == nil || sl.owner != nil || sl.delayed || d.blocked {
		e.Payload.Release()
		return false
	}
	remaining, ok := s.admitEntryLocked(&e, true)
	if !ok {
		d.forget(e.Position, sl)
		e.Payload.Release()
		return true
	}
	c, _ := d.router.pick(d, e.Position, sl, &s.meta, true)
	if c == nil {
		e.Payload.Release()
		return false
	}
	d.resumes(sl)
	d.window.take(e.Position)
	d.give(c, e, sl, remaining)
	return true
}

// forget removes an entry that waits.
func (d *shared) forget(p bk.Position, sl *slot) {
	d.resumes(sl)
	d.window.remove(p)
}

// resumes takes an entry off the account of waiting ones.
func (d *shared) resumes(sl *slot) {
	if sl.delayed {
		return // it does not wait yet
	}
	if sl.held {
		sl.held = false
		d.held--
	}
	d.router.resumes(sl)
}
