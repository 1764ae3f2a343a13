package server

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	pulsarlog "github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/strobemq/strobe/broker/topic"
)

// stock is Apache's Go client on the broker.
func (b *broker) stock() pulsar.Client {
	b.t.Helper()
	c, err := pulsar.NewClient(pulsar.ClientOptions{
		URL: "pulsar://" + b.addr, OperationTimeout: 10 * time.Second, Logger: pulsarlog.NewLoggerWithSlog(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestStockClientAllTypesAndCompressions(t *testing.T) {
	for _, kind := range []pulsar.SubscriptionType{pulsar.Exclusive, pulsar.Shared, pulsar.Failover, pulsar.KeyShared} {
		for _, batching := range []bool{true, false} {
			for _, compression := range []pulsar.CompressionType{pulsar.NoCompression, pulsar.LZ4, pulsar.ZLib, pulsar.ZSTD, pulsar.SNAPPY} {
				t.Run(fmt.Sprintf("type %d batching %v compression %d", kind, batching, compression), func(t *testing.T) {
					b := newBroker(t)
					c := b.stock()
					ctx := within(t)
					consumer, err := c.Subscribe(pulsar.ConsumerOptions{
						Topic: "a", SubscriptionName: "s", Type: kind, AckWithResponse: true, EnableBatchIndexAcknowledgment: true,
					})
					if err != nil {
						t.Fatal(err)
					}
					producer, err := c.CreateProducer(pulsar.ProducerOptions{Topic: "a", DisableBatching: !batching, CompressionType: compression})
					if err != nil {
						t.Fatal(err)
					}
					const n = 50
					for i := range n {
						producer.SendAsync(ctx, &pulsar.ProducerMessage{Payload: fmt.Appendf(nil, "m%d", i), Key: fmt.Sprint(i % 3)},
							func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
								if err != nil {
									t.Error(err)
								}
							})
					}
					if err := producer.FlushWithCtx(ctx); err != nil {
						t.Fatal(err)
					}
					for i := range n {
						m, err := consumer.Receive(ctx)
						if err != nil {
							t.Fatal(i, err)
						}
						if string(m.Payload()) != fmt.Sprintf("m%d", i) {
							t.Fatalf("message %d is %s", i, m.Payload())
						}
						if err := consumer.Ack(m); err != nil {
							t.Fatal(err)
						}
					}
					sub := b.loaded(t, "a").Subscription("s")
					eventually(t, "nothing is left", func() bool { return sub.Stats().Backlog == 0 })
				})
			}
		}
	}
}

func (b *broker) loaded(t testing.TB, name string) *topic.Topic {
	t.Helper()
	n, err := topic.ParseName(name)
	if err != nil {
		t.Fatal(err)
	}
	tp := b.topics.Loaded(n)
	if tp == nil {
		t.Fatal(name, "is not loaded")
	}
	return tp
}

// After an unload producer and consumer come back by themselves, and every message is there.
func TestStockClientSurvivesUnload(t *testing.T) {
	if raceDetector {
		t.Skip("a reconnecting producer of this client races with itself")
	}
	b := newBroker(t)
	c := b.stock()
	ctx := within(t)
	consumer, err := c.Subscribe(pulsar.ConsumerOptions{Topic: "a", SubscriptionName: "s", Type: pulsar.Shared})
	if err != nil {
		t.Fatal(err)
	}
	producer, err := c.CreateProducer(pulsar.ProducerOptions{Topic: "a", DisableBatching: true})
	if err != nil {
		t.Fatal(err)
	}
	const n = 100
	var answered sync.WaitGroup
	answered.Add(n)
	go func() {
		for i := range n {
			producer.SendAsync(ctx, &pulsar.ProducerMessage{Payload: fmt.Append(nil, i)}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
				if err != nil {
					t.Error(err)
				}
				answered.Done()
			})
			if i == n/2 {
				if err := b.topics.Unload(ctx, mustName(t, "a")); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	seen, stored := map[string]bool{}, map[string]bool{}
	for len(seen) < n {
		m, err := consumer.Receive(ctx)
		if err != nil {
			t.Fatal(len(seen), err)
		}
		seen[string(m.Payload())] = true
		stored[m.ID().String()] = true
		if err := consumer.Ack(m); err != nil {
			t.Fatal(err)
		}
	}
	answered.Wait()
	if len(stored) != n {
		t.Errorf("%d entries for %d messages: what was stored was sent again", len(stored), n)
	}
}

func mustName(t testing.TB, s string) topic.Name {
	n, err := topic.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestStockClientSeekReaderAndNack(t *testing.T) {
	b := newBroker(t)
	c := b.stock()
	ctx := within(t)
	producer, err := c.CreateProducer(pulsar.ProducerOptions{Topic: "a"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []pulsar.MessageID
	for i := range 10 {
		id, err := producer.Send(ctx, &pulsar.ProducerMessage{Payload: fmt.Append(nil, i)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	consumer, err := c.Subscribe(pulsar.ConsumerOptions{
		Topic: "a", SubscriptionName: "s", SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest, Type: pulsar.Shared,
		NackRedeliveryDelay: 10 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	receive := func(want int) pulsar.Message {
		t.Helper()
		m, err := consumer.Receive(ctx)
		if err != nil || string(m.Payload()) != fmt.Sprint(want) {
			t.Fatalf("want %d: %v %v", want, m, err)
		}
		return m
	}
	for i := range 10 {
		if m := receive(i); i < 9 {
			if err := consumer.Ack(m); err != nil {
				t.Fatal(err)
			}
		} else {
			consumer.Nack(m)
		}
	}
	if m := receive(9); m.RedeliveryCount() != 1 {
		t.Error("redelivery count", m.RedeliveryCount())
	}
	if err := consumer.Seek(ids[4]); err != nil {
		t.Fatal(err)
	}
	// The broker delivers the message sought again; this client drops it (StartMessageIDInclusive is off).
	for i := 5; i < 10; i++ {
		receive(i)
	}
	reader, err := c.CreateReader(pulsar.ReaderOptions{Topic: "a", StartMessageID: ids[7]})
	if err != nil {
		t.Fatal(err)
	}
	for i := 8; i < 10; i++ {
		m, err := reader.Next(ctx)
		if err != nil || string(m.Payload()) != fmt.Sprint(i) {
			t.Fatal(i, err)
		}
	}
	if reader.HasNext() {
		t.Error("there is more")
	}
	if err := consumer.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	if b.loaded(t, "a").Subscription("s") != nil {
		t.Error("the subscription is still there")
	}
}

func TestStockClientNonPersistent(t *testing.T) {
	b := newBroker(t)
	c := b.stock()
	ctx := within(t)
	name := "non-persistent://public/default/n"
	consumer, err := c.Subscribe(pulsar.ConsumerOptions{Topic: name, SubscriptionName: "s"})
	if err != nil {
		t.Fatal(err)
	}
	// Only what a consumer has permits for is delivered, and it gives them after it has subscribed.
	sub := b.loaded(t, name).Subscription("s")
	eventually(t, "the consumer takes messages", func() bool { cs := sub.Stats().Consumers; return len(cs) == 1 && cs[0].Permits > 0 })
	producer, err := c.CreateProducer(pulsar.ProducerOptions{Topic: name})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Send(ctx, &pulsar.ProducerMessage{Payload: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if m, err := consumer.Receive(ctx); err != nil || string(m.Payload()) != "x" {
		t.Fatal(err)
	}
}

func TestStockClientRegex(t *testing.T) {
	b := newBroker(t)
	c := b.stock()
	ctx := within(t)
	consumer, err := c.Subscribe(pulsar.ConsumerOptions{TopicsPattern: "public/default/r-.*", SubscriptionName: "s", AutoDiscoveryPeriod: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"r-1", "other", "r-2"} {
		producer, err := c.CreateProducer(pulsar.ProducerOptions{Topic: name})
		if err != nil {
			t.Fatal(err)
		}
		if name != "other" {
			tp := b.loaded(t, name)
			eventually(t, "the new topic is found", func() bool { return tp.Subscription("s") != nil })
		}
		if _, err := producer.Send(ctx, &pulsar.ProducerMessage{Payload: []byte(name)}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		m, err := consumer.Receive(ctx)
		if err != nil || string(m.Payload()) == "other" {
			t.Fatal(m, err)
		}
	}
}
