package main

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/strobemq/strobe/bench/load"
)

// shape is what a topic of a generation is for.
type shape struct {
	name    string
	ns      string
	batched bool
	once    bool // deduplication is on
	keep    bool // retained, and read back from its start at the end; otherwise its ledgers go as they are consumed
	keyed   bool // its consumer is Key_Shared
	size    int  // bytes of a message
	rate    int  // messages a second
}

// stream is one topic with who writes it, who consumes it, and what they know.
type stream struct {
	shape
	topic   string
	v       *verdict
	acks    *atomic.Int64 // receipts of all streams of this form
	padding []byte

	mu       sync.Mutex
	receipts []position // of message n; nowhere until it came
	missing  int        // receipts that are not there

	stop     context.CancelFunc
	stopped  chan struct{} // the writer has all its receipts
	total    atomic.Int64  // messages, once that is known; 0 before
	consumed chan struct{}
	came     atomic.Int64 // to the consumer
	notes    *notes       // of the consumer, until consumed
}

// tick is how often a writer sends.
const tick = 10 * time.Millisecond

// begin creates the topic with its subscription, and starts writer and consumer; client must know the way. What fails while processes are down is
// tried again until ctx ends.
func (s *stream) begin(ctx context.Context, client pulsar.Client) error {
	s.padding = load.Payload(s.size)
	s.stopped, s.consumed, s.notes = make(chan struct{}), make(chan struct{}), newNotes()
	var consumer pulsar.Consumer
	var producer pulsar.Producer
	err := again(ctx, func() (err error) {
		kind := pulsar.Exclusive
		if s.keyed {
			kind = pulsar.KeyShared
		}
		consumer, err = client.Subscribe(pulsar.ConsumerOptions{Topic: s.topic, SubscriptionName: "consumer", Type: kind, ReceiverQueueSize: 500,
			SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest, BackOffPolicyFunc: eager})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: subscribe: %w", s.topic, err)
	}
	err = again(ctx, func() (err error) {
		producer, err = client.CreateProducer(pulsar.ProducerOptions{Topic: s.topic, Name: "writer-of-" + s.name, DisableBatching: !s.batched,
			BatchingMaxPublishDelay: 2 * time.Millisecond, MaxPendingMessages: 1000, SendTimeout: -1, BackOffPolicyFunc: eager})
		return err
	})
	if err != nil {
		consumer.Close()
		return fmt.Errorf("%s: create a producer: %w", s.topic, err)
	}
	writing, stop := context.WithCancel(ctx)
	s.stop = stop
	go s.write(writing, producer)
	go s.consume(ctx, consumer)
	return nil
}

// payload is the number of a message and bytes that tell whether it came whole.
func (s *stream) payload(n int) []byte {
	b := make([]byte, 0, s.size+8)
	b = strconv.AppendInt(b, int64(n), 10)
	b = append(b, ' ')
	return append(b, s.padding[:max(0, s.size-len(b))]...)
}

// number reads a payload.
func (s *stream) number(b []byte) (int, error) {
	text, _, ok := bytes.Cut(b, []byte{' '})
	n, err := strconv.Atoi(string(text))
	if !ok || err != nil || !bytes.Equal(b, s.payload(n)) {
		return 0, fmt.Errorf("%.40q… of %d bytes was never sent", b, len(b))
	}
	return n, nil
}

// write publishes numbered messages until ctx ends, and waits for all receipts.
func (s *stream) write(ctx context.Context, p pulsar.Producer) {
	defer close(s.stopped)
	var pending sync.WaitGroup
	pace := time.NewTicker(tick)
	defer pace.Stop()
	owed := 0.0 // messages; what could not be sent while the queue was full is not made up for, or the load would come in bursts
	for n := 0; ctx.Err() == nil; {
		select {
		case <-pace.C:
			owed += float64(s.rate) * tick.Seconds()
		case <-ctx.Done():
		}
		for ; owed >= 1 && ctx.Err() == nil; owed-- {
			s.send(p, n, &pending)
			n++
		}
	}
	_ = p.FlushWithCtx(context.Background()) // what it could not send has failed, and said so
	pending.Wait()
	s.mu.Lock()
	s.total.Store(int64(len(s.receipts)))
	s.mu.Unlock()
	p.Close()
}

// send publishes message n; pending is told when it has its receipt.
func (s *stream) send(p pulsar.Producer, n int, pending *sync.WaitGroup) {
	s.mu.Lock()
	s.receipts = append(s.receipts, nowhere)
	s.missing++
	s.mu.Unlock()
	pending.Add(1)
	p.SendAsync(context.Background(), &pulsar.ProducerMessage{Payload: s.payload(n), Key: strconv.Itoa(n % keys)}, func(id pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
		defer pending.Done()
		if err != nil {
			s.v.wrongf("%s: message %d was refused: %v", s.topic, n, err)
			return
		}
		s.mu.Lock()
		s.receipts[n] = positionOf(id)
		s.missing--
		s.mu.Unlock()
		s.acks.Add(1)
	})
}

// unanswered is how many messages have no receipt.
func (s *stream) unanswered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missing
}

// consume acknowledges everything, until the last message came, once it is known which that is.
func (s *stream) consume(ctx context.Context, c pulsar.Consumer) {
	defer close(s.consumed)
	defer c.Close()
	take := s.notes.ordered
	if s.keyed {
		take = s.notes.keyed
	}
	for {
		if total := s.total.Load(); total > 0 && int64(s.notes.came) >= total {
			return
		}
		one, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		m, err := c.Receive(one)
		cancel()
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			continue
		}
		n, err := s.number(m.Payload())
		if err == nil {
			err = take(n, positionOf(m.ID()), s.once)
		}
		if err != nil {
			s.v.wrongf("%s, consumer: %v", s.topic, err)
		}
		s.came.Store(int64(s.notes.came))
		_ = c.Ack(m) // an acknowledgement that gets lost brings the message again
	}
}

// readBack reads the topic from its start to its end and compares it with the receipts.
func (s *stream) readBack(ctx context.Context, client pulsar.Client) (read int, err error) {
	total := int(s.total.Load())
	back := newNotes()
	var r pulsar.Reader
	err = again(ctx, func() (err error) {
		r, err = client.CreateReader(pulsar.ReaderOptions{Topic: s.topic, StartMessageID: pulsar.EarliestMessageID(), ReceiverQueueSize: 500, BackoffPolicyFunc: eager})
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%s: create a reader: %w", s.topic, err)
	}
	defer r.Close()
	var end pulsar.MessageID
	if err := again(ctx, func() (err error) { end, err = r.GetLastMessageID(); return err }); err != nil {
		return 0, fmt.Errorf("%s: ask for the last message: %w", s.topic, err)
	}
	last := position{end.LedgerID(), end.EntryID(), 0}
	for back.came < total || (position{back.last.ledger, back.last.entry, 0}) != last {
		one, cancel := context.WithTimeout(ctx, silence)
		m, err := r.Next(one)
		cancel()
		if err != nil {
			s.v.wrongf("%s, read back: nothing comes after %v; %d of %d messages came and the topic ends at %v: %v", s.topic, back.last, back.came, total, last, err)
			break
		}
		n, err := s.number(m.Payload())
		if err == nil {
			err = back.ordered(n, positionOf(m.ID()), s.once)
		}
		if err != nil {
			s.v.wrongf("%s, read back: %v", s.topic, err)
		}
	}
	for _, err := range back.against(s.receipts) {
		s.v.wrongf("%s, read back: %v", s.topic, err)
	}
	return back.came, nil
}
