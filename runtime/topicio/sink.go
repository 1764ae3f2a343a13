package topicio

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/connectors"
)

// SinkOptions configure a Sink.
type SinkOptions struct {
	Client *Client // shared or not; the Sink does not close it
	// Producer is the name under which records without a Producer of their own go, when they carry a Sequence; else the broker makes names up.
	Producer string
	// Deduplicate is called once for each topic that is to get records with a Sequence, before its first producer: it turns the topic's deduplication
	// on. nil: nobody does.
	Deduplicate func(ctx context.Context, topic string) error
	// Initial is the subscription that a topic's first producer makes, so that nothing written is trimmed unread; nil or an empty answer: none.
	Initial func(topic string) string
	// MaxBatch is the most messages in one entry; 0: 1000.
	MaxBatch int
}

// Sink writes records to the topics they name; it implements connectors.Sink. Records for one topic (and producer) that are written
// together become one entry, as far as they fit. Records whose Sequence is stored already are dropped.
type Sink struct {
	o SinkOptions

	mu      sync.Mutex         // held by Connect, Write and Close, and while producers are let go
	targets map[string]*target // by topic
	holder  *holder            // nil until a producer is held under a lease

	batch []byte
	entry []byte
	kv    []wire.KeyValue
}

// target is a topic: its partitions, and per partition and name a producer.
type target struct {
	parts     []string
	dedup     bool
	producers map[producerKey]*producer
	open      []*outgoing          // of the Write under way
	held      map[producerKey]bool // of the Write under way: somebody else has the name
	turn      int
}

type producerKey struct {
	part int
	name string
}

// outgoing is the batch being filled for one producer.
type outgoing struct {
	p       *producer
	records []int // indexes into the Write's records
}

// NewSink makes a sink; Connect opens it.
func NewSink(o SinkOptions) *Sink {
	if o.MaxBatch == 0 {
		o.MaxBatch = 1000
	}
	return &Sink{o: o}
}

// Connect forgets the producers of before; they are made anew when records need them.
func (s *Sink) Connect(ctx context.Context) error {
	if err := s.Close(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets = map[string]*target{}
	_, err := s.o.Client.conn(ctx, s.o.Client.url)
	return err
}

// Write publishes records and waits until all are durable. Records that can never go (their topic's name is none, they are too
// large) are in the *connectors.BatchError, as are those whose Lease is over, and those whose producer's name another instance still has; the others have
// arrived. After any other error the sink must be connected again.
func (s *Sink) Write(ctx context.Context, records []connectors.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.endWrite()
	failed := map[int]error{}
	var order []*outgoing
	for i := range records {
		out, err := s.place(ctx, records, i)
		if err != nil {
			if connectors.ClassOf(err) != connectors.BadData && err != connectors.ErrLeaseLost && err != connectors.ErrLeaseHeld {
				return err
			}
			failed[i] = err
			continue
		}
		if out == nil {
			continue // stored already
		}
		if len(out.records) == 0 {
			order = append(order, out)
		}
		out.records = append(out.records, i)
	}
	if err := s.publish(ctx, records, order); err != nil {
		return err
	}
	if len(failed) > 0 {
		return &connectors.BatchError{Failed: failed}
	}
	return nil
}

// place finds the batch that record i goes to; nil when the record is stored already.
func (s *Sink) place(ctx context.Context, records []connectors.Record, i int) (*outgoing, error) {
	r := &records[i]
	if r.Lease.Lost() {
		return nil, connectors.ErrLeaseLost
	}
	t, err := s.target(ctx, r)
	if err != nil {
		return nil, err
	}
	name := r.Producer
	if name == "" && r.Sequence != 0 {
		name = s.o.Producer
	}
	k := producerKey{part: t.route(r, i), name: name}
	p := t.producers[k]
	if p == nil {
		if p, err = s.produce(ctx, t, k, r); err != nil {
			return nil, err
		}
	}
	if r.Lease != nil && p.lease != r.Lease {
		s.hold(p, r.Lease)
	}
	size := recordSize(r)
	if size > p.conn.maxMessage-metadataRoom {
		return nil, connectors.As(connectors.BadData, fmt.Errorf("a record of %d bytes exceeds the broker's limit of %d", size, p.conn.maxMessage))
	}
	if r.Sequence != 0 && int64(r.Sequence) <= p.last {
		return nil, nil
	}
	for _, o := range t.open {
		if o.p == p {
			return o, nil
		}
	}
	o := &outgoing{p: p}
	t.open = append(t.open, o)
	return o, nil
}

// produce makes a producer for a record. Under a lease the name is what keeps two readers of one partition apart: the broker gives it to one at a time.
func (s *Sink) produce(ctx context.Context, t *target, k producerKey, r *connectors.Record) (*producer, error) {
	if t.held[k] { // what comes behind a record that is held must not overtake it
		return nil, connectors.ErrLeaseHeld
	}
	p, err := s.o.Client.produce(ctx, t.parts[k.part], k.name, s.initial(r.Topic))
	var refused *ServerError
	switch {
	case err == nil:
		t.producers[k] = p
		return p, nil
	case r.Lease != nil && errors.As(err, &refused) && refused.Code == wire.ProducerBusy:
		if t.held == nil {
			t.held = map[producerKey]bool{}
		}
		t.held[k] = true
		return nil, connectors.ErrLeaseHeld
	}
	return nil, badTopic(r.Topic, err)
}

func (s *Sink) initial(topic string) string {
	if s.o.Initial == nil {
		return ""
	}
	return s.o.Initial(topic)
}

// badTopic makes a refusal of the topic's name the record's own fault.
func badTopic(topic string, err error) error {
	var refused *ServerError
	if errors.As(err, &refused) && refused.Code == wire.InvalidTopicName {
		return connectors.As(connectors.BadData, fmt.Errorf("topic %q: %w", topic, err))
	}
	return classify(fmt.Errorf("%s: %w", topic, err))
}

func (s *Sink) target(ctx context.Context, r *connectors.Record) (*target, error) {
	t := s.targets[r.Topic]
	if t == nil {
		parts, err := s.o.Client.Topics(ctx, r.Topic)
		if err != nil {
			return nil, badTopic(r.Topic, err)
		}
		t = &target{parts: parts, producers: map[producerKey]*producer{}}
		s.targets[r.Topic] = t
	}
	if r.Sequence != 0 && !t.dedup && s.o.Deduplicate != nil {
		if err := s.o.Deduplicate(ctx, r.Topic); err != nil {
			return nil, badTopic(r.Topic, err)
		}
		t.dedup = true
	}
	return t, nil
}

// route chooses the partition: by key as other clients do; without a key by sequence, so that a record sent again goes where it
// went, or in turn.
func (t *target) route(r *connectors.Record, i int) int {
	switch n := len(t.parts); {
	case n == 1:
		return 0
	case r.HasKey:
		return int(javaStringHash(r.Key)&0x7fffffff) % n
	case r.Sequence != 0:
		return int(r.Sequence % uint64(n))
	default:
		if i == 0 {
			t.turn++
		}
		return t.turn % n
	}
}

// javaStringHash is the default key hash of Pulsar's clients: the sum 31·h + c over the key's bytes.
func javaStringHash(key []byte) uint32 {
	var h uint32
	for _, c := range key {
		h = 31*h + uint32(c)
	}
	return h
}

// endWrite forgets what belongs to one Write.
func (s *Sink) endWrite() {
	for _, t := range s.targets {
		clear(t.open)
		t.open = t.open[:0]
		clear(t.held)
	}
}

// publish sends the batches and waits until all are answered: nothing is reported before, so that no acknowledgement can come first, whichever
// of several brokers is slow. When anything fails, it fails as a whole.
func (s *Sink) publish(ctx context.Context, records []connectors.Record, order []*outgoing) error {
	flights, err := s.sendAll(records, order)
	// What was sent is flushed even if something could not be: a later command on the connection must not overtake it.
	for _, o := range order {
		c := o.p.conn
		c.write.Lock()
		err = errors.Join(err, c.flushLocked())
		c.write.Unlock()
	}
	if err != nil {
		return err
	}
	for _, f := range flights {
		if err := f.wait(ctx); err != nil {
			return refusedPublish(err)
		}
	}
	return nil
}

// refusedPublish gives a refused publish its class. A batch of which a part is stored is one to be cut anew, above what is stored: what another connection had
// under way came through meanwhile.
func refusedPublish(err error) error {
	var s *ServerError
	if errors.As(err, &s) && s.Code == wire.NotAllowedError {
		return err
	}
	return classify(err)
}

// sendAll puts the batches on their connections.
func (s *Sink) sendAll(records []connectors.Record, order []*outgoing) ([]*flight, error) {
	var flights []*flight
	now := time.Now().UnixMilli()
	for _, o := range order {
		list := o.records
		for len(list) > 0 {
			n := s.fit(records, list, o.p.conn.maxMessage-metadataRoom)
			f := newFlight(1)
			if err := s.send(records, list[:n], o.p, now, f); err != nil {
				return nil, err
			}
			flights = append(flights, f)
			list = list[n:]
		}
	}
	return flights, nil
}

// fit is how many of the records go into one entry.
func (s *Sink) fit(records []connectors.Record, list []int, room int) int {
	bytes := 0
	for n, i := range list {
		bytes += recordSize(&records[i])
		if n > 0 && (bytes > room || n == s.o.MaxBatch) {
			return n
		}
	}
	return len(list)
}

// send makes one entry of the records and puts it on the wire.
func (s *Sink) send(records []connectors.Record, list []int, p *producer, now int64, f *flight) error {
	first, last := s.sequences(records, list, p)
	m := wire.Metadata{ProducerName: []byte(p.name), SequenceID: first, PublishTime: now, Messages: 1}
	r := &records[list[0]]
	m.PartitionKey, m.KeyB64 = keyText(r)
	body := r.Payload
	if len(list) == 1 {
		m.EventTime, m.NullValue = r.EventTime, r.Null
		m.SetProperties(s.properties(r))
	} else {
		m.Batch, m.Messages, m.Highest = true, int32(len(list)), last
		s.batch = s.batch[:0]
		for n, i := range list {
			r := &records[i]
			single := wire.Single{EventTime: r.EventTime, NullValue: r.Null, Payload: r.Payload, HasSequence: true, SequenceID: first + uint64(n)}
			if r.Sequence != 0 {
				single.SequenceID = r.Sequence
			}
			single.PartitionKey, single.KeyB64 = keyText(r)
			single.SetProperties(s.properties(r))
			s.batch = single.Append(s.batch)
		}
		body = s.batch
		m.Uncompressed = uint32(len(body))
	}
	s.entry = wire.AppendPayload(s.entry[:0], &m, body)
	p.last = int64(last)
	c := p.conn
	c.write.Lock()
	defer c.write.Unlock()
	return p.sendLocked(s.entry, first, last, m.Messages, f)
}

// keyText is the key as the protocol wants it, a string: bytes that are none travel as base64.
func keyText(r *connectors.Record) (key []byte, b64 bool) {
	if !r.HasKey {
		return nil, false
	}
	if !utf8.Valid(r.Key) {
		return base64.StdEncoding.AppendEncode(nil, r.Key), true
	}
	if r.Key == nil {
		return []byte{}, false
	}
	return r.Key, false
}

// sequences are the ids of an entry's first and last record: their own, or the producer's next.
func (s *Sink) sequences(records []connectors.Record, list []int, p *producer) (first, last uint64) {
	if records[list[0]].Sequence != 0 {
		return records[list[0]].Sequence, records[list[len(list)-1]].Sequence
	}
	first = uint64(p.last + 1)
	return first, first + uint64(len(list)) - 1
}

func (s *Sink) properties(r *connectors.Record) []wire.KeyValue {
	s.kv = s.kv[:0]
	for _, p := range r.Properties {
		s.kv = append(s.kv, wire.KeyValue{Key: p.Key, Value: p.Value})
	}
	return s.kv
}

// metadataRoom is what an entry's own metadata may take besides its records.
const metadataRoom = 4 << 10

func recordSize(r *connectors.Record) int {
	n := 64 + len(r.Key) + len(r.Payload)
	for i := range r.Properties {
		n += 12 + len(r.Properties[i].Key) + len(r.Properties[i].Value)
	}
	return n
}
