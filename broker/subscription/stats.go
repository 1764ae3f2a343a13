package subscription

import "github.com/strobemq/strobe/storage/bk"

// Stats is what a subscription counted since it was loaded; rates are made of two snapshots by whoever asks. Times are Unix
// milliseconds, 0: never.
type Stats struct {
	Name       string
	Type       Type
	Settled    bool // false: no consumer yet, Type means nothing
	Durable    bool
	Compacted  bool
	Properties map[string]string

	MarkDelete   bk.Position
	ReadPosition bk.Position // the first entry not given out yet
	Backlog      int64       // entries not acknowledged
	Unacked      int64       // messages given out and not acknowledged; shared types only
	Redeliver    int64       // entries that were given back and wait
	HeldBack     int64       // entries that wait for the one consumer that may take them
	Delayed      int64       // entries that wait for their time
	Blocked      bool        // the limit of unacknowledged messages is reached

	ActiveConsumer string // exclusive and failover
	OutOfOrder     bool   // key-shared

	MessagesOut  uint64
	BytesOut     uint64
	EntriesOut   uint64
	Redelivered  uint64 // messages
	Acked        uint64 // message ids acknowledged
	Dropped      uint64 // entries, on non-persistent topics
	Expired      uint64 // entries
	LastFlow     int64
	LastConsumed int64
	LastAcked    int64

	Consumers []ConsumerStats
}

// ConsumerStats is what one consumer counted.
type ConsumerStats struct {
	ID            uint64
	Name          string
	Address       string
	ClientVersion string
	Metadata      map[string]string
	Connected     int64
	Priority      int32

	Permits      int32
	Unacked      int32
	Blocked      bool
	MessagesOut  uint64
	BytesOut     uint64
	EntriesOut   uint64
	Redelivered  uint64
	Acked        uint64
	LastFlow     int64
	LastConsumed int64
	LastAcked    int64
	Ranges       []HashRange // key-shared: the hashes that are the consumer's
}

// Stats is a snapshot.
func (s *Subscription) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := &s.counters
	st := Stats{
		Name: s.o.Name, Type: s.typ, Settled: s.d != nil, Durable: s.Durable(), Compacted: s.o.Compacted,
		MessagesOut: n.messagesOut, BytesOut: n.bytesOut, EntriesOut: n.entriesOut, Redelivered: n.redelivered, Acked: n.acked,
		Dropped: s.dropped, Expired: s.expired, LastFlow: n.lastFlow, LastConsumed: n.lastConsumed, LastAcked: n.lastAcked,
		Consumers: make([]ConsumerStats, len(s.consumers)),
	}
	if c := s.o.Cursor; c != nil {
		st.Properties, st.MarkDelete, st.Backlog, st.ReadPosition = c.Properties(), c.MarkDelete(), c.Backlog(), s.feed.at()
	}
	for i, c := range s.consumers {
		st.Consumers[i] = c.statsLocked()
	}
	if s.d != nil {
		s.d.stats(&st)
	}
	return st
}

func (c *Consumer) statsLocked() ConsumerStats {
	n := &c.counters
	return ConsumerStats{
		ID: c.o.ID, Name: c.o.Name, Address: c.o.Address, ClientVersion: c.o.ClientVersion, Metadata: c.o.Metadata,
		Connected: c.joined.UnixMilli(), Priority: c.o.Priority, Permits: c.permits, Unacked: c.unacked, Blocked: c.blocked,
		MessagesOut: n.messagesOut, BytesOut: n.bytesOut, EntriesOut: n.entriesOut, Redelivered: n.redelivered, Acked: n.acked,
		LastFlow: n.lastFlow, LastConsumed: n.lastConsumed, LastAcked: n.lastAcked,
	}
}
