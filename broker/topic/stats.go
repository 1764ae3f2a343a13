package topic

import (
	"slices"
	"strings"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/storage/bk"
)

// counters count what was published.
type counters struct {
	messages, bytes, entries uint64
}

func (c *counters) add(messages int32, bytes int) {
	c.messages += uint64(messages)
	c.bytes += uint64(bytes)
	c.entries++
}

// Stats is what a topic counted since it was loaded; rates are made of two snapshots by whoever asks. Times are Unix milliseconds, 0:
// never.
type Stats struct {
	Name        Name
	State       State
	Loaded      int64
	LastPublish int64

	MessagesIn uint64
	BytesIn    uint64
	EntriesIn  uint64
	Duplicates uint64 // publishes dropped because they are stored already
	Refused    uint64 // publishes that came back with an error
	Pending    int    // publishes on their way to the ledger

	Dedup          bool
	DedupProducers int
	LastIndex      int64 // index of the last stored message; -1: none
	Epoch          *uint64
	LastPosition   bk.Position
	Entries        int64 // stored
	Bytes          int64 // stored, estimated for a ledger that is partly trimmed

	Producers     []ProducerStats // by name
	Waiting       int             // producers that wait to be exclusive
	Subscriptions []subscription.Stats
}

// ProducerStats is what one producer counted.
type ProducerStats struct {
	ID            uint64
	Name          string
	Address       string
	ClientVersion string
	Metadata      map[string]string
	Connected     int64
	Mode          pb.ProducerAccessMode
	MessagesIn    uint64
	BytesIn       uint64
	EntriesIn     uint64
}

// Stats is a snapshot.
func (t *Topic) Stats() Stats {
	t.mu.Lock()
	st := Stats{
		Name: t.name, State: t.state, Loaded: t.born.UnixMilli(), LastPublish: t.lastPublish,
		MessagesIn: t.messages, BytesIn: t.bytes, EntriesIn: t.entries, Duplicates: t.duplicates, Refused: t.refused, Pending: t.pending,
		Dedup: t.dedup != nil, LastIndex: t.stored, Epoch: t.epoch, LastPosition: bk.Earliest, Waiting: len(t.queue),
	}
	if t.dedup != nil {
		st.DedupProducers = len(t.dedup.producers)
	}
	for _, p := range t.producers {
		st.Producers = append(st.Producers, ProducerStats{
			ID: p.o.ID, Name: p.o.Name, Address: p.o.Address, ClientVersion: p.o.ClientVersion, Metadata: p.o.Metadata,
			Connected: p.joined.UnixMilli(), Mode: p.o.Mode, MessagesIn: p.messages, BytesIn: p.bytes, EntriesIn: p.entries,
		})
	}
	t.mu.Unlock()
	slices.SortFunc(st.Producers, func(a, b ProducerStats) int { return strings.Compare(a.Name, b.Name) })
	if l := t.ledger; l != nil {
		st.LastPosition = l.LastConfirmed()
		st.Entries = l.EntriesBetween(bk.Earliest, st.LastPosition)
		st.Bytes = l.BytesBetween(bk.Earliest, st.LastPosition)
	}
	for _, s := range *t.subs.Load() {
		st.Subscriptions = append(st.Subscriptions, s.Stats())
	}
	return st
}
