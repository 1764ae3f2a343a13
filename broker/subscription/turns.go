package subscription

// turn is what sharing looks at in a consumer.
type turn struct {
	seq      uint64 // order of arrival; ascending in the list
	priority int32  // 0 first
	able     bool   // has permits, is not blocked, its connection takes output
}

// nextTurn says whose turn it is on a shared subscription after the consumer with sequence last had one, -1 for nobody's. Consumers of a
// worse priority get something only when no better one is able; equals take turns in order of arrival.
func nextTurn(ts []turn, last uint64) int {
	first, after := -1, -1
	var best int32
	for i, t := range ts {
		if !t.able || first >= 0 && t.priority > best {
			continue
		}
		if first < 0 || t.priority < best {
			best, first, after = t.priority, i, -1
		}
		if after < 0 && t.seq > last {
			after = i
		}
	}
	if after >= 0 {
		return after
	}
	return first
}
