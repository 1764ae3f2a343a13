package topic

import "testing"

// TestLifeCycle is the whole table: what is not in it cannot happen and changes nothing.
func TestLifeCycle(t *testing.T) {
	allowed := map[State]map[event]State{
		Loading:    {loaded: Open, loadedEnded: Terminated, loadFailed: Gone},
		Open:       {terminate: Terminated, fence: Fenced, unload: Unloading, remove: Deleting},
		Terminated: {fence: Fenced, unload: Unloading, remove: Deleting},
		Fenced:     {unload: Unloading, remove: Deleting},
		Unloading:  {ended: Gone},
		Deleting:   {ended: Gone},
		Gone:       {},
	}
	for s := Loading; s <= Gone; s++ {
		for e := loaded; e <= ended; e++ {
			want, can := allowed[s][e]
			if !can {
				want = s
			}
			if got, ok := s.next(e); got != want || ok != can {
				t.Errorf("%v, %v: %v %v, want %v %v", s, e, got, ok, want, can)
			}
		}
		if s.Serving() != (s == Open || s == Terminated) {
			t.Errorf("%v serves: %v", s, s.Serving())
		}
	}
}
