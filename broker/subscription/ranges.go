package subscription

import (
	"cmp"
	"slices"
	"sort"
)

// ranges divides the hashes among the owners of a key-shared subscription. The zero value has no owners.
type ranges[T comparable] struct {
	list []owned[T] // in order of hash, without overlap
}

// owned is the hashes from first to last, both included.
type owned[T comparable] struct {
	first, last int32
	owner       T
}

// owner is whose the hash is; false when nobody's.
func (r *ranges[T]) owner(hash uint16) (T, bool) {
	h := int32(hash)
	i := sort.Search(len(r.list), func(i int) bool { return r.list[i].last >= h })
	if i < len(r.list) && r.list[i].first <= h {
		return r.list[i].owner, true
	}
	var none T
	return none, false
}

// split gives the newcomer the lower half of the largest range, or everything when it is the first. When no range can be split it
// gets none.
func (r *ranges[T]) split(newcomer T) {
	if len(r.list) == 0 {
		r.list = append(r.list, owned[T]{0, hashes - 1, newcomer})
		return
	}
	widest := 0
	for i, o := range r.list {
		if o.last-o.first > r.list[widest].last-r.list[widest].first {
			widest = i
		}
	}
	w := &r.list[widest]
	if w.first == w.last {
		return // more owners than hashes
	}
	middle := w.first + (w.last-w.first)/2
	half := owned[T]{w.first, middle, newcomer}
	w.first = middle + 1
	r.list = slices.Insert(r.list, widest, half)
}

// merge gives the range of the owner that leaves to its neighbour: the one above, or below when there is none.
func (r *ranges[T]) merge(leaving T) {
	i := slices.IndexFunc(r.list, func(o owned[T]) bool { return o.owner == leaving })
	if i < 0 {
		return
	}
	switch gone := r.list[i]; {
	case i+1 < len(r.list):
		r.list[i+1].first = gone.first
	case i > 0:
		r.list[i-1].last = gone.last
	}
	r.list = slices.Delete(r.list, i, i+1)
}

// claim gives the newcomer the ranges it asks for. It reports false, and changes nothing, when there are none, when one is not
// within the hashes, or when one overlaps another.
func (r *ranges[T]) claim(newcomer T, rs []HashRange) bool {
	if len(rs) == 0 {
		return false
	}
	list := slices.Clone(r.list)
	for _, h := range rs {
		if h.Start < 0 || h.End >= hashes || h.Start > h.End {
			return false
		}
		list = append(list, owned[T]{h.Start, h.End, newcomer})
	}
	slices.SortFunc(list, func(a, b owned[T]) int { return cmp.Compare(a.first, b.first) })
	for i := 1; i < len(list); i++ {
		if list[i].first <= list[i-1].last {
			return false
		}
	}
	r.list = list
	return true
}

// release takes the ranges of an owner away; they are nobody's then.
func (r *ranges[T]) release(leaving T) {
	r.list = slices.DeleteFunc(r.list, func(o owned[T]) bool { return o.owner == leaving })
}

// of lists the owner's ranges.
func (r *ranges[T]) of(owner T) []HashRange {
	var rs []HashRange
	for _, o := range r.list {
		if o.owner == owner {
			rs = append(rs, HashRange{o.first, o.last})
		}
	}
	return rs
}
