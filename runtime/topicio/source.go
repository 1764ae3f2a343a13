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

// window is how many messages a consumer may be sent ahead of the loop.
const window = 1000

// SourceOptions configure a Source.
type SourceOptions struct {
	Client       *Client // shared or not; the Source does not close it
	Topics       []string
	Subscription Subscription
	// Incarnation names the life of an input partition for effectively-once, see incarnations; nil: records get no Producer.
	Incarnations *Incarnations
	// MaxEntry is the largest uncompressed entry; 0: 128 MiB.
	MaxEntry int
}

// Source reads topics; it implements connectors.Source. Records of one entry come in one batch.
type Source struct {
	o     SourceOptions
	inbox *inbox
	spare []arrival

	mu        sync.Mutex
	consumers []*consumer
}

// NewSource makes a source; Connect opens it.
func NewSource(o SourceOptions) *Source {
	if o.MaxEntry == 0 {
		o.MaxEntry = 128 << 20
	}
	return &Source{o: o}
}

// Connect subscribes to every partition of every topic.
func (s *Source) Connect(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	s.inbox = newInbox()
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
			c, err := s.o.Client.consume(ctx, part, partition, s.o.Subscription, window, s.inbox)
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
		spare := s.spare
		s.spare = nil // it is the inbox's now
		arrivals, err := s.inbox.take(ctx, spare)
		if err != nil {
			return connectors.Batch{}, classify(err)
		}
		b := &batch{}
		for i := range arrivals {
			a := &arrivals[i]
			if err := s.add(ctx, b, a); err != nil {
				return connectors.Batch{}, classify(err)
			}
			*a = arrival{}
		}
		s.spare = arrivals[:0]
		if len(b.records) > 0 {
			return connectors.Batch{Records: b.records, Ack: b.ack}, nil
		}
	}
}

// add appends the records of one entry to b.
func (s *Source) add(ctx context.Context, b *batch, a *arrival) error {
	entry, rest, indexed, err := wire.CutBrokerEntry(a.payload)
	if err != nil {
		return s.reject(b, a, 1, err)
	}
	p, err := wire.ParsePayload(rest)
	if err == nil {
		err = p.Verify()
	}
	if err != nil {
		return s.reject(b, a, 1, err)
	}
	var m wire.Metadata
	if err := m.Decode(p.Metadata); err != nil {
		return s.reject(b, a, 1, err)
	}
	if m.Encrypted {
		return s.reject(b, a, m.Messages, errors.New("the message is encrypted, and functions have no key for it"))
	}
	ids := []wire.MessageID{a.id}
	body := p.Body
	if m.Chunks > 1 {
		whole, drop := a.from.chunks.add(&m, a.id, body)
		if len(drop) > 0 {
			if err := a.from.ack(drop); err != nil {
				return err
			}
		}
		if err := a.from.handedOut(1); err != nil {
			return err
		}
		if whole == nil {
			return nil
		}
		ids, body = whole.ids, whole.body
	} else if err := a.from.handedOut(m.Messages); err != nil {
		return err
	}
	if m.Compression != wire.None {
		if body, err = m.Compression.Decompress(nil, body, m.Uncompressed, s.o.MaxEntry); err != nil {
			return s.park(b, a, ids, err)
		}
	}
	base := connectors.Record{Topic: a.from.topic, PublishTime: m.PublishTime, Redelivery: int32(a.resent),
		ID: connectors.MessageID{Ledger: a.id.Ledger, Entry: a.id.Entry, Batch: -1, Partition: a.from.partition}}
	if indexed && entry.HasIndex {
		base.HasIndex = true
		base.Index = uint64(entry.Index - int64(m.Messages) + 1)
		if s.o.Incarnations != nil {
			if base.Producer, err = s.o.Incarnations.name(ctx, a.from.topic, a.id.Ledger, base.Index); err != nil {
				return err
			}
		}
	}
	e := b.open(a.from, ids)
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
	start := len(b.records)
	e.set = a.ackSet
	if e.set == nil {
		e.set = setOf(m.Messages)
	}
	var single wire.Single
	err = wire.EachSingle(body, m.Messages, &single, func(i int32) error {
		if single.CompactedOut || acked(a.ackSet, i) {
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
	if err != nil { // nothing of a broken batch is processed: its messages cannot be told apart
		b.undo(e, start)
		return s.park(b, a, ids, err)
	}
	if len(b.records) == start { // all of it was acknowledged before
		return a.from.ack(ids)
	}
	return nil
}

// reject parks an entry that could not be read, and takes its messages off the window.
func (s *Source) reject(b *batch, a *arrival, messages int32, why error) error {
	if err := a.from.handedOut(max(messages, 1)); err != nil {
		return err
	}
	return s.park(b, a, []wire.MessageID{a.id}, why)
}

func (s *Source) park(b *batch, a *arrival, ids []wire.MessageID, why error) error {
	b.add(b.open(a.from, ids), connectors.Record{Topic: a.from.topic, Payload: a.payload, Redelivery: int32(a.resent), Reject: why.Error(),
		ID: connectors.MessageID{Ledger: a.id.Ledger, Entry: a.id.Entry, Batch: -1, Partition: a.from.partition}})
	return nil
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
