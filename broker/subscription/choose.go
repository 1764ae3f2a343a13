package subscription

import (
	"cmp"
	"slices"
)

// candidate is what choosing an active consumer looks at.
type candidate struct {
	name     string
	priority int32  // 0 first
	seq      uint64 // order of arrival
}

// chooseActive says which of the candidates is the active one of a failover subscription, -1 for none. Only the best priority counts. The
// partitions of a topic take them in order of name, one after the other, so that they spread over the consumers. A topic that is
// no partition keeps by rendezvous hashing to the same consumer as long as that one is there, whoever else comes or goes.
func chooseActive(cs []candidate, partition int, topic string) int {
	if len(cs) == 0 {
		return -1
	}
	best := cs[0].priority
	for _, c := range cs {
		best = min(best, c.priority)
	}
	var order []int
	for i, c := range cs {
		if c.priority == best {
			order = append(order, i)
		}
	}
	if partition >= 0 {
		slices.SortFunc(order, func(i, j int) int {
			return cmp.Or(cmp.Compare(cs[i].name, cs[j].name), cmp.Compare(cs[i].seq, cs[j].seq))
		})
		return order[partition%len(order)]
	}
	winner, top := -1, uint32(0)
	for _, i := range order {
		h := murmur3([]byte(topic + "\x00" + cs[i].name))
		if winner < 0 || h > top || h == top && cs[i].seq < cs[winner].seq {
			winner, top = i, h
		}
	}
	return winner
}
