package main

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	pulsarlog "github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/strobemq/strobe/bench/load"
	"github.com/strobemq/strobe/bench/machine"
)

// What a stock client may have unanswered, and how it makes batches: as in the workloads of the OpenMessaging Benchmark.
const (
	stockPending      = 20_000
	stockBatchDelay   = time.Millisecond
	stockBatchBytes   = 128 << 10
	stockReceiveQueue = 10_000
	stockPatience     = time.Minute
)

// stock is a stock producer and a stock consumer at the tail of its topic.
type stock struct {
	client   pulsar.Client
	producer pulsar.Producer
	consumer pulsar.Consumer
	payload  []byte

	received atomic.Uint64
	arrivals atomic.Pointer[arrivals]
	sent     uint64
	reading  chan struct{}
	stop     context.CancelFunc
}

func newStockClient(url string) (pulsar.Client, error) {
	return pulsar.NewClient(pulsar.ClientOptions{URL: url, Logger: pulsarlog.NewLoggerWithSlog(slog.New(slog.NewTextHandler(io.Discard, nil)))})
}

// newStock connects; each message has so many bytes.
func newStock(url, topic string, size int, batches bool) (*stock, error) {
	s := &stock{payload: load.Payload(size), reading: make(chan struct{})}
	var err error
	if s.client, err = newStockClient(url); err != nil {
		return nil, err
	}
	s.consumer, err = s.client.Subscribe(pulsar.ConsumerOptions{Topic: topic, SubscriptionName: "stock", Type: pulsar.Exclusive, ReceiverQueueSize: stockReceiveQueue})
	if err == nil {
		s.producer, err = s.client.CreateProducer(pulsar.ProducerOptions{Topic: topic, MaxPendingMessages: stockPending, DisableBatching: !batches,
			BatchingMaxPublishDelay: stockBatchDelay, BatchingMaxSize: stockBatchBytes, BatchingMaxMessages: 1000})
	}
	if err != nil {
		s.client.Close()
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.receive(ctx)
	return s, nil
}

// receive counts, notes and acknowledges what comes.
func (s *stock) receive(ctx context.Context) {
	defer close(s.reading)
	var n uint64
	for {
		m, err := s.consumer.Receive(ctx)
		if err != nil {
			return
		}
		now := time.Now()
		if a := s.arrivals.Load(); a != nil {
			a.add(time.Unix(0, int64(binary.BigEndian.Uint64(m.Payload()))), now)
		}
		if n++; n%1000 == 0 {
			_ = s.consumer.AckCumulative(m) // or with the next
		}
		s.received.Add(1)
	}
}

// publish sends messages for d: per at a time, a millisecond apart, or as fast as the client takes them when that is 0. It returns when all are
// acknowledged and received.
func (s *stock) publish(ctx context.Context, per int, d time.Duration) (sample, error) {
	var acked, came arrivals
	var answered atomic.Uint64
	var failed atomic.Pointer[error]
	acked.begin()
	came.begin()
	s.arrivals.Store(&came)
	defer s.arrivals.Store(nil)
	pacer := machine.NewPacer()
	defer pacer.Close()
	start := time.Now()
	n, counted := uint64(0), uint64(0)
	measured := d / 4
	var begun time.Duration
	for k := 0; ctx.Err() == nil && failed.Load() == nil; k++ {
		at := time.Now()
		if per > 0 {
			at = start.Add(time.Duration(k) * time.Millisecond)
			pacer.Until(at)
		}
		since := time.Since(start)
		if since >= d {
			break
		}
		if begun == 0 && since >= measured {
			begun, counted = since, answered.Load()
		}
		for range max(per, 1) {
			n++
			payload := append([]byte(nil), s.payload...)
			binary.BigEndian.PutUint64(payload, uint64(at.UnixNano()))
			s.producer.SendAsync(ctx, &pulsar.ProducerMessage{Payload: payload}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
				if err != nil {
					failed.CompareAndSwap(nil, &err)
				}
				acked.add(at, time.Now())
				answered.Add(1)
			})
		}
	}
	rate := float64(answered.Load()-counted) / (time.Since(start) - begun).Seconds()
	if err := s.producer.FlushWithCtx(ctx); err != nil {
		return nil, err
	}
	s.sent += n
	if err := s.settled(ctx, &answered, n); err != nil {
		return nil, err
	}
	if e := failed.Load(); e != nil {
		return nil, *e
	}
	l, tail := acked.after(measured), came.after(measured)
	return sample{"rate": rate, "p50": l.P50.Seconds(), "p99": l.P99.Seconds(), "tail": tail.P50.Seconds(), "tail99": tail.P99.Seconds()}, nil
}

// settled waits until n answers and everything sent have come.
func (s *stock) settled(ctx context.Context, answered *atomic.Uint64, n uint64) error {
	ctx, cancel := context.WithTimeout(ctx, stockPatience)
	defer cancel()
	for answered.Load() < n || s.received.Load() < s.sent {
		if err := rest(ctx, time.Millisecond); err != nil {
			return errors.Join(errors.New("a stock client did not get all"), err)
		}
	}
	return nil
}

func (s *stock) close() {
	s.stop()
	<-s.reading
	s.producer.Close()
	s.consumer.Close()
	s.client.Close()
}
