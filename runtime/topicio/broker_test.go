package topicio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/strobemq/strobe/broker/brokertest"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/connectors"
)

const (
	inTopic  = "persistent://public/default/in"
	outTopic = "persistent://public/default/out"
)

func client(t *testing.T, b *brokertest.Broker) *Client {
	c := NewClient(b.URL)
	t.Cleanup(func() { c.Close() })
	return c
}

func sink(t *testing.T, c *Client) *Sink {
	t.Helper()
	s := NewSink(SinkOptions{Client: c})
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func source(t *testing.T, o SourceOptions) *Source {
	t.Helper()
	s := NewSource(o)
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func publish(t *testing.T, c *Client, records ...connectors.Record) {
	t.Helper()
	if err := c.Publish(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// read returns the next n records and acknowledges them.
func read(t *testing.T, s *Source, n int) []connectors.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var all []connectors.Record
	for len(all) < n {
		b, err := s.Read(ctx)
		if err != nil {
			t.Fatalf("after %d of %d records: %v", len(all), n, err)
		}
		all = append(all, b.Records...)
		if err := b.Ack(ctx, nil); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func dedupBroker(t *testing.T, partitions map[string]int) *brokertest.Broker {
	return brokertest.Start(t, brokertest.Options{Partitions: partitions, Settings: func(topic.Name) topic.Settings { return topic.Settings{Dedup: true} }})
}

// A producer's name is what fences: as long as one sink has it, another's records under it are held, and nothing else is; when the lease is lost the
// name is let go without another Write, what is stored already is dropped, and what the former holder still has is refused.
func TestANameBelongsToOneSinkAtATime(t *testing.T) {
	b := dedupBroker(t, nil)
	former, next := sink(t, client(t, b)), sink(t, client(t, b))
	record := func(n int, l *connectors.Lease) connectors.Record {
		return connectors.Record{Topic: outTopic, Payload: []byte(fmt.Sprint(n)), Producer: "f@in#1", Sequence: uint64(n), Lease: l}
	}
	old, now := &connectors.Lease{}, &connectors.Lease{}
	if err := former.Write(t.Context(), []connectors.Record{record(1, old), record(2, old)}); err != nil {
		t.Fatal(err)
	}
	both := []connectors.Record{record(2, now), {Topic: outTopic, Payload: []byte("free")}, record(3, now)}
	var partial *connectors.BatchError
	if err := next.Write(t.Context(), both); !errors.As(err, &partial) || len(partial.Failed) != 2 ||
		partial.Failed[0] != connectors.ErrLeaseHeld || partial.Failed[2] != connectors.ErrLeaseHeld {
		t.Fatalf("while another has the name: %v", err)
	}
	old.Lose()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := next.Write(t.Context(), []connectors.Record{both[0], both[2]})
		if err == nil {
			break
		}
		if !errors.As(err, &partial) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if err := former.Write(t.Context(), []connectors.Record{record(3, old), record(4, old)}); !errors.As(err, &partial) ||
		len(partial.Failed) != 2 || partial.Failed[0] != connectors.ErrLeaseLost {
		t.Errorf("with a lost lease: %v", err)
	}
	out := source(t, SourceOptions{Client: client(t, b), Topics: []string{outTopic}, Subscription: Subscription{Name: "s", Ordered: true, Earliest: true}})
	var got []string
	for _, r := range read(t, out, 4) {
		got = append(got, string(r.Payload))
	}
	if want := []string{"1", "2", "free", "3"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Turns come and go with what the broker says of the consumers: what was read in one that is over has lost its lease.
func TestATurnEndsWhenAnotherConsumerTakesOver(t *testing.T) {
	b := dedupBroker(t, map[string]int{inTopic: 2})
	c := client(t, b)
	var records []connectors.Record
	for i := range 40 {
		records = append(records, connectors.Record{Topic: inTopic, Payload: []byte(fmt.Sprint(i)), Key: []byte(fmt.Sprint(i)), HasKey: true})
	}
	publish(t, c, records...)
	var shared sharedMap
	start := func(name string) *Source {
		return source(t, SourceOptions{Client: client(t, b), Topics: []string{inTopic}, Incarnations: NewIncarnations(&shared),
			Subscription: Subscription{Name: "s", Ordered: true, Earliest: true, Consumer: name}})
	}
	gather := func(s *Source, n int) []connectors.Record {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		var all []connectors.Record
		for len(all) < n {
			got, err := s.Read(ctx)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, got.Records...)
		}
		return all
	}
	first := start("a")
	mine := gather(first, 40)
	second := start("b") // gets partition 1
	one := 0
	for _, r := range mine {
		if r.ID.Partition == 1 {
			one++
		}
	}
	theirs := gather(second, one)
	lost := func(r connectors.Record) bool {
		told := make(chan struct{}, 1)
		r.Lease.Notify(told)
		select {
		case <-told:
		case <-time.After(10 * time.Second):
		}
		return r.Lease.Lost()
	}
	names := map[int32]string{}
	for _, r := range mine {
		names[r.ID.Partition] = r.Producer
		switch {
		case r.ID.Partition == 1 && !lost(r):
			t.Fatalf("record %s of partition 1 is still the first consumer's", r.Payload)
		case r.ID.Partition == 0 && r.Lease.Lost():
			t.Fatalf("record %s of partition 0 is nobody's", r.Payload)
		}
	}
	for _, r := range theirs {
		if r.ID.Partition != 1 || r.Lease.Lost() || r.Producer != names[1] {
			t.Errorf("the second consumer got %s of partition %d for %q, lost: %v", r.Payload, r.ID.Partition, r.Producer, r.Lease.Lost())
		}
	}
	second.Close()
	if back := gather(first, one); back[0].Lease.Lost() || back[0].Producer != names[1] {
		t.Errorf("the first consumer got partition 1 back for %q, lost: %v", back[0].Producer, back[0].Lease.Lost())
	}
}

// Whatever the size of messages, no more of them is in memory than the limit, and one more; in order each comes once, without order none is missing.
func TestTheInboxIsBoundedInBytes(t *testing.T) {
	const size, n, limit = 200 << 10, 120, 1 << 20
	b := brokertest.Start(t, brokertest.Options{Partitions: map[string]int{inTopic: 4}})
	c := client(t, b)
	for i := range n {
		payload := make([]byte, size)
		copy(payload, fmt.Sprint(i, " "))
		publish(t, c, connectors.Record{Topic: inTopic, Payload: payload, Key: []byte(fmt.Sprint(i % 7)), HasKey: true})
	}
	for _, ordered := range []bool{true, false} {
		s := NewSource(SourceOptions{Client: client(t, b), Topics: []string{inTopic}, InboxBytes: limit, ReadBytes: size,
			Subscription: Subscription{Name: fmt.Sprint("s", ordered), Ordered: ordered, Earliest: true, Consumer: "c"}})
		t.Cleanup(func() { s.Close() })
		if err := s.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		seen := map[string]int{}
		last := map[int32]int64{}
		most, dropped := int64(0), false
		for len(seen) < n {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			got, err := s.Read(ctx)
			cancel()
			if err != nil {
				t.Fatalf("ordered %v: after %d of %d: %v", ordered, len(seen), n, err)
			}
			s.inbox.mu.Lock()
			most = max(most, s.inbox.bytes)
			dropped = dropped || len(s.inbox.dropping) > 0
			s.inbox.mu.Unlock()
			for _, r := range got.Records {
				seen[string(r.Payload[:5])]++
				if ordered && r.ID.Entry != last[r.ID.Partition] {
					t.Fatalf("entry %d of partition %d, want %d", r.ID.Entry, r.ID.Partition, last[r.ID.Partition])
				}
				last[r.ID.Partition]++
			}
			if err := got.Ack(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if most > limit+size {
			t.Errorf("ordered %v: %d bytes were in memory, the limit is %d", ordered, most, limit)
		}
		if !dropped {
			t.Errorf("ordered %v: the limit was never reached, and the test shows nothing", ordered)
		}
		if w := func() int32 { s.inbox.mu.Lock(); defer s.inbox.mu.Unlock(); return s.inbox.windowLocked() }(); w != 1 {
			t.Errorf("ordered %v: the window for large messages is %d", ordered, w)
		}
	}
}

// What was dropped since others' large messages were in the way comes in the end, whoever asks first.
func TestConsumersThatDroppedTakeTurns(t *testing.T) {
	const n = 16
	b := brokertest.Start(t, brokertest.Options{Partitions: map[string]int{inTopic: n}})
	c := client(t, b)
	for i := range n {
		publish(t, c, connectors.Record{Topic: fmt.Sprintf("%s-partition-%d", inTopic, i), Payload: make([]byte, 100<<10)})
	}
	s := source(t, SourceOptions{Client: client(t, b), Topics: []string{inTopic}, InboxBytes: 150 << 10, Subscription: Subscription{Name: "s", Ordered: true, Earliest: true}})
	from := map[int32]bool{}
	for _, r := range read(t, s, n) {
		from[r.ID.Partition] = true
	}
	if len(from) != n {
		t.Errorf("records of %d partitions", len(from))
	}
}

func backlog(t *testing.T, c *Client, visit func(r connectors.Record, ack func() error) (bool, error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.Backlog(ctx, inTopic, "s", visit); err != nil {
		t.Error(err)
	}
}

func TestTheBacklogIsReadToItsEnd(t *testing.T) {
	b := brokertest.Start(t, brokertest.Options{})
	c := client(t, b)
	source(t, SourceOptions{Client: c, Topics: []string{inTopic}, Subscription: Subscription{Name: "s", Earliest: true}}).Close()
	var want []string
	for i := range 10 {
		publish(t, c, connectors.Record{Topic: inTopic, Payload: []byte(fmt.Sprint(i))})
		want = append(want, fmt.Sprint(i))
	}
	var got []string
	backlog(t, c, func(r connectors.Record, ack func() error) (bool, error) {
		got = append(got, string(r.Payload))
		if len(got)%2 == 0 {
			return true, ack()
		}
		return true, nil
	})
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Entries that go away while they are waited for are not waited for.
func TestABacklogThatIsTrimmedComesToItsEnd(t *testing.T) {
	b := brokertest.Start(t, brokertest.Options{})
	c := client(t, b)
	source(t, SourceOptions{Client: c, Topics: []string{inTopic}, Subscription: Subscription{Name: "s", Earliest: true}}).Close()
	s := NewSink(SinkOptions{Client: c, MaxBatch: 1})
	if err := s.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	records := make([]connectors.Record, 3*window)
	for i := range records {
		records[i] = connectors.Record{Topic: inTopic, Payload: []byte("x")}
	}
	if err := s.Write(t.Context(), records); err != nil {
		t.Fatal(err)
	}
	visited := 0
	backlog(t, c, func(connectors.Record, func() error) (bool, error) {
		if visited++; visited == 1 {
			if err := b.Topic(inTopic).Subscription("s").Skip(3 * window); err != nil {
				t.Error(err)
			}
		}
		return true, nil
	})
	if visited == 0 || visited == len(records) {
		t.Errorf("%d of %d were visited: the test shows nothing", visited, len(records))
	}
}

// A batch that is stored in part is no reason to stop: it is cut anew above what is stored.
func TestABatchStoredInPartIsTriedAgain(t *testing.T) {
	covered := &ServerError{Code: wire.NotAllowedError, Text: "stored in part"}
	if c := connectors.ClassOf(refusedPublish(covered)); c != connectors.Retry {
		t.Errorf("class %v", c)
	}
	if c := connectors.ClassOf(refusedPublish(&ServerError{Code: wire.TopicTerminatedError})); c != connectors.BadConfig {
		t.Errorf("a terminated topic: class %v", c)
	}
}

// An entry of one large message that comes once more, since delivery began anew, is no repetition by its producer: it is not acknowledged.
func TestChunksDeliveredAgainAreKept(t *testing.T) {
	var c chunks
	add := func(n int32, entry int64) (*chunked, []wire.MessageID) {
		return c.add(chunk("x", n, 3), wire.MessageID{Ledger: 1, Entry: entry}, []byte{byte('a' + n)})
	}
	add(0, 10)
	add(1, 11)
	for _, again := range []int64{10, 11, 11, 10, 11} {
		if _, drop := add(int32(again-10), again); len(drop) != 0 {
			t.Fatalf("entry %d delivered again acknowledges %v", again, drop)
		}
	}
	if whole, drop := add(2, 12); whole == nil || string(whole.body) != "abc" || len(whole.ids) != 3 || len(drop) != 0 {
		t.Errorf("%+v %v", whole, drop)
	}
}
