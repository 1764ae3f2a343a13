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
	"github.com/strobemq/strobe/broker/wire/pb"
)

// shape is what a topic of a generation is for.
type shape struct {
	name    string
	ns      string
	batched bool
	once    bool // deduplication is on
	keep    bool // retained, and read back from its start at the end; otherwise its ledgers go as they are consumed
	keyed   bool // its consumer is Key_Shared
	stock   bool // its consumer is the stock client, and order there is not judged (see tail)
	size    int  // bytes of a message
	rate    int  // messages a second
}

// stream is one topic with who writes it, who consumes it, and what they know.
type stream struct {
	shape
	topic   string
	v       *verdict
	acks    *atomic.Int64 // receipts of all streams of this form
	owner   func(ctx context.Context, topic string) (url string, err error)
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
	if s.stock {
		err := again(ctx, func() (err error) {
			consumer, err = client.Subscribe(pulsar.ConsumerOptions{Topic: s.topic, SubscriptionName: "consumer", Type: pulsar.KeyShared, ReceiverQueueSize: 500,
				SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest, BackOffPolicyFunc: eager})
			return err
		})
		if err != nil {
			return fmt.Errorf("%s: subscribe: %w", s.topic, err)
		}
		go s.consumeStock(ctx, consumer)
	} else {
		go s.consume(ctx)
	}
	var producer pulsar.Producer
	err := again(ctx, func() (err error) {
		producer, err = client.CreateProducer(pulsar.ProducerOptions{Topic: s.topic, Name: "writer-of-" + s.name, DisableBatching: !s.batched,
			BatchingMaxPublishDelay: 2 * time.Millisecond, MaxPendingMessages: 1000, SendTimeout: -1, BackOffPolicyFunc: eager})
		return err
	})
	if err != nil {
		return fmt.Errorf("%s: create a producer: %w", s.topic, err)
	}
	writing, stop := context.WithCancel(ctx)
	s.stop = stop
	go s.write(writing, producer)
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

// consumedAll says whether the last message came, once it is known which that is.
func (s *stream) consumedAll() bool {
	total := s.total.Load()
	return total > 0 && s.came.Load() >= total
}

// take judges one message that came to the consumer.
func (s *stream) take(at position, payload []byte) {
	n, err := s.number(payload)
	switch {
	case err != nil:
	case s.keyed:
		err = s.notes.keyed(n, at, s.once, !s.stock)
	default:
		err = s.notes.ordered(n, at, s.once)
	}
	if err != nil {
		s.v.wrongf("%s, consumer: %v", s.topic, err)
	}
	s.came.Store(int64(s.notes.came))
}

// consume acknowledges everything, until the last message came.
func (s *stream) consume(ctx context.Context) {
	defer close(s.consumed)
	t := tail{owner: s.owner, topic: s.topic, name: "consumer", kind: pb.Subscribe_EXCLUSIVE, finished: s.consumedAll, each: func(m message) { s.take(m.at, m.payload) }}
	if s.keyed {
		t.kind = pb.Subscribe_KEY_SHARED
	}
	t.run(ctx)
}

// consumeStock does the same with the stock client.
func (s *stream) consumeStock(ctx context.Context, c pulsar.Consumer) {
	defer close(s.consumed)
	defer c.Close()
	for !s.consumedAll() && ctx.Err() == nil {
		one, cancel := context.WithTimeout(ctx, tailLook)
		m, err := c.Receive(one)
		cancel()
		if err != nil {
			continue
		}
		s.take(positionOf(m.ID()), m.Payload())
		_ = c.Ack(m) // an acknowledgement that gets lost brings the message again
	}
}

// readBack reads the topic from its start to its end and compares it with the receipts.
func (s *stream) readBack(ctx context.Context, client pulsar.Client) (read int, err error) {
	back := newNotes()
	last, err := endOf(ctx, client, s.topic)
	if err != nil {
		return 0, err
	}
	total := int(s.total.Load())
	quiet := time.Now()
	t := tail{owner: s.owner, topic: s.topic, name: "read-back", kind: pb.Subscribe_EXCLUSIVE, noAcks: true}
	t.each = func(m message) {
		quiet = time.Now()
		n, err := s.number(m.payload)
		if err == nil {
			err = back.ordered(n, m.at, s.once)
		}
		if err != nil {
			s.v.wrongf("%s, read back: %v", s.topic, err)
		}
	}
	t.finished = func() bool {
		return back.came >= total && !last.after(back.last) || time.Since(quiet) > silence
	}
	t.run(ctx)
	if last.after(back.last) && ctx.Err() == nil {
		s.v.wrongf("%s, read back: nothing comes after %v; %d of %d messages came and the topic ends at %v", s.topic, back.last, back.came, total, last)
	}
	for _, err := range back.against(s.receipts) {
		s.v.wrongf("%s, read back: %v", s.topic, err)
	}
	return back.came, ctx.Err()
}
