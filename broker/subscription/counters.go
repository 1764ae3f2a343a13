package subscription

// counters count what was delivered and acknowledged; times are Unix milliseconds, 0: never. They are brought up to date once for a
// list of entries.
type counters struct {
	messagesOut, bytesOut, entriesOut uint64
	redelivered, acked                uint64 // messages
	lastFlow, lastConsumed, lastAcked int64
}

func (c *counters) add(n counters) {
	c.messagesOut += n.messagesOut
	c.bytesOut += n.bytesOut
	c.entriesOut += n.entriesOut
	c.redelivered += n.redelivered
	c.acked += n.acked
	c.lastFlow = max(c.lastFlow, n.lastFlow)
	c.lastConsumed = max(c.lastConsumed, n.lastConsumed)
	c.lastAcked = max(c.lastAcked, n.lastAcked)
}
