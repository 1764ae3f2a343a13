package topicio

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/connectors"
)

// SourceOptions configure a Source.
type SourceOptions struct {
	Client       *Client // shared or not; the Source does not close it
	Topics       []string
	Subscription Subscription
	// Incarnations names the lives of input partitions for effectively-once; nil: records get no Producer and no Lease.
	Incarnations *Incarnations
	// MaxEntry is the largest uncompressed entry; 0: 128 MiB.
	MaxEntry int
	// InboxBytes is how much may have arrived and wait to be read, over all topics; one entry may go beyond. 0: 16 MiB.
	InboxBytes int64
	// ReadBytes is about how much one Read returns, uncompressed; one entry may go beyond. 0: 4 MiB.
	ReadBytes int
}

func (o SourceOptions) withDefaults() SourceOptions {
	if o.MaxEntry == 0 {
		o.MaxEntry = 128 << 20
	}
	if o.InboxBytes == 0 {
		o.InboxBytes = 16 << 20
	}
	if o.ReadBytes == 0 {
		o.ReadBytes = 4 << 20
	}
	return o
}

// Source reads topics; it implements connectors.Source. Records of one entry come in one batch.
type Source struct {
	o     SourceOptions
	inbox *inbox
	taken []arrival // from the inbox, and not yet read
	spare []arrival // the memory of those before

	mu        sync.Mutex
	consumers []*consumer
}

// NewSource makes a source; Connect opens it.
func NewSource(o SourceOptions) *Source { return &Source{o: o.withDefaults()} }

// Connect subscribes to every partition of every topic.
func (s *Source) Connect(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	s.inbox, s.taken, s.spare = newInbox(s.o.InboxBytes), nil, nil
	for _, topic := range s.o.Topics {
		parts, err := s.o.Client.Topics(ctx, topic)
		if err != nil {
			return classify(fmt.Errorf("%s: %w", topic, err))
		}
		for i, part := range parts {
			partition := int32(-1)
			if len(parts) > 1 || part != topic {
				partition = int32(i)
			}
			c, err := s.o.Client.consume(ctx, part, partition, s.o.Subscription, s.o.Incarnations != nil, s.inbox)
			if err != nil {
				return classify(fmt.Errorf("%s: %w", part, err))
			}
			s.mu.Lock()
			s.consumers = append(s.consumers, c)
			s.mu.Unlock()
		}
	}
	return nil
}

// Read returns the records of all entries that have arrived, up to a batch's size.
func (s *Source) Read(ctx context.Context) (connectors.Batch, error) {
	for {
		b, err := s.next(ctx)
		if err != nil {
			return connectors.Batch{}, classify(err)
		}
		if len(b.records) > 0 {
			return connectors.Batch{Records: b.records, Ack: b.ack}, nil
		}
	}
}

// next waits for entries and makes a batch of some; it may have no records.
func (s *Source) next(ctx context.Context) (*batch, error) {
	if len(s.taken) == 0 {
		arrivals, err := s.inbox.take(ctx, s.spare)
		if err != nil {
			return nil, err
		}
		s.taken, s.spare = arrivals, arrivals[:0]
	}
	b := &batch{}
	for len(s.taken) > 0 && b.bytes < s.o.ReadBytes {
		if err := s.add(ctx, b, &s.taken[0]); err != nil {
			return nil, err
		}
		s.taken[0] = arrival{}
		s.taken = s.taken[1:]
	}
	return b, nil
}

// add appends the records of one entry to b.
func (s *Source) add(ctx context.Context, b *batch, a *arrival) error {
	var m wire.Metadata
	var body []byte
	entry, rest, indexed, why := wire.CutBrokerEntry(a.payload)
	if why == nil {
		body, why = decode(rest, &m)
	}
	messages := max(m.Messages, 1)
	s.inbox.done(len(a.payload), messages)
	if err := a.from.handedOut(messages); err != nil {
		return err
	}
	base := connectors.Record{Topic: a.from.topic, PublishTime: m.PublishTime, Redelivery: int32(a.resent),
		ID: connectors.MessageID{Ledger: a.id.Ledger, Entry: a.id.Entry, Batch: -1, Partition: a.from.partition}}
	if a.turn != nil {
		if base.Lease = &a.turn.lease; base.Lease.Lost() {
			return nil // it is somebody else's now
		}
	}
	if indexed && entry.HasIndex {
		base.HasIndex = true
		base.Index = uint64(entry.Index - int64(messages) + 1)
		if s.o.Incarnations != nil {
			var err error
			if base.Producer, err = s.o.Incarnations.name(ctx, a.from.topic, a.id.Ledger, a.turn); err != nil {
				return err
			}
		}
	}
	ids := []wire.MessageID{a.id}
	if why == nil && m.Chunks > 1 {
		whole, drop := a.from.chunks.add(&m, a.id, body)
		if len(drop) > 0 && a.from.ordered { // without order, what is missing may still come
			if err := a.from.ack(drop); err != nil {
				return err
			}
		}
		if whole == nil {
			return nil
		}
		ids, body = whole.ids, whole.body
	}
	if why == nil && m.Compression != wire.None {
		body, why = m.Compression.Decompress(nil, body, m.Uncompressed, s.o.MaxEntry)
	}
	e := b.open(a.from, ids)
	start := len(b.records)
	if why == nil {
		why = b.fill(e, base, &m, body, a.ackSet)
	}
	b.bytes += len(body)
	switch {
	case why != nil: // nothing of a broken batch is processed: its messages cannot be told apart
		b.undo(e, start)
		base.Payload, base.Reject = a.payload, why.Error()
		b.add(e, base)
	case len(b.records) == start: // all of it was acknowledged before
		return a.from.ack(ids)
	}
	return nil
}

// decode reads an entry's metadata into m, which is zero if it is none, and returns the body.
func decode(entry []byte, m *wire.Metadata) ([]byte, error) {
	p, err := wire.ParsePayload(entry)
	if err == nil {
		err = p.Verify()
	}
	if err != nil {
		return nil, err
	}
	if err := m.Decode(p.Metadata); err != nil {
		*m = wire.Metadata{}
		return nil, err
	}
	if m.Encrypted {
		return nil, errors.New("the message is encrypted, and functions have no key for it")
	}
	return p.Body, nil
}

// fill appends the records of an entry's body; base is what they have in common, with the index of the first.
func (b *batch) fill(e *entry, base connectors.Record, m *wire.Metadata, body []byte, ackSet []int64) error {
	if !m.Batch {
		r := base
		r.EventTime, r.Null, r.Payload = m.EventTime, m.NullValue, body
		r.Key, r.HasKey = key(m.PartitionKey, m.KeyB64, m.NullKey)
		for k, v := range m.Properties() {
			r.Properties = append(r.Properties, connectors.Property{Key: string(k), Value: string(v)})
		}
		b.add(e, r)
		return nil
	}
	if e.set = ackSet; e.set == nil {
		e.set = setOf(m.Messages)
	}
	var single wire.Single
	return wire.EachSingle(body, m.Messages, &single, func(i int32) error {
		if single.CompactedOut || acked(ackSet, i) {
			return nil
		}
		r := base
		r.ID.Batch = i
		r.Index += uint64(i)
		r.EventTime, r.Null, r.Payload = single.EventTime, single.NullValue, single.Payload
		r.Key, r.HasKey = key(single.PartitionKey, single.KeyB64, single.NullKey)
		for k, v := range single.Properties() {
			r.Properties = append(r.Properties, connectors.Property{Key: string(k), Value: string(v)})
		}
		b.add(e, r)
		return nil
	})
}

// Close leaves the subscriptions. Idempotent.
func (s *Source) Close() error {
	s.mu.Lock()
	list := s.consumers
	s.consumers = nil
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, c := range list {
		_ = c.close(ctx) // a connection that has ended has left them already
	}
	return nil
}

// acked reports whether message i of a batch was acknowledged before: its bit is 0.
func acked(set []int64, i int32) bool {
	return len(set) > 0 && (int(i)/64 >= len(set) || set[i/64]&(1<<(i%64)) == 0)
}

func key(k []byte, b64, null bool) ([]byte, bool) {
	if k == nil || null {
		return nil, false
	}
	if b64 {
		if raw, err := base64.StdEncoding.AppendDecode(nil, k); err == nil {
			return raw, true
		}
	}
	return k, true
}
