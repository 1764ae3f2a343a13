package brokertest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	plog "github.com/apache/pulsar-client-go/pulsar/log"

	"github.com/strobemq/strobe/broker/topic"
)

func client(t *testing.T, b *Broker) pulsar.Client {
	t.Helper()
	c, err := pulsar.NewClient(pulsar.ClientOptions{URL: b.URL, Logger: plog.DefaultNopLogger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// TestStockClientOverKills: a stock producer with a name sends while the broker is killed and restarted; with deduplication the topic holds each
// message once, and a stock consumer that acknowledges sees all.
func TestStockClientOverKills(t *testing.T) {
	if raceDetector {
		t.Skip("a reconnecting producer of this client races with itself")
	}
	b := Start(t, Options{Settings: func(topic.Name) topic.Settings { return topic.Settings{Dedup: true} }})
	c := client(t, b)
	p, err := c.CreateProducer(pulsar.ProducerOptions{Topic: "t", Name: "p", DisableBatching: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Subscribe(pulsar.ConsumerOptions{Topic: "t", SubscriptionName: "s", SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const n = 60
	acked := make(chan error, n)
	for i := range n {
		p.SendAsync(ctx, &pulsar.ProducerMessage{Payload: fmt.Append(nil, i)}, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) { acked <- err })
		switch i {
		case n / 3:
			b.Kill()
		case 2 * n / 3:
			b.Restart()
		}
	}
	for range n {
		if err := <-acked; err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for len(seen) < n {
		m, err := s.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d: %v", len(seen), err)
		}
		seen[string(m.Payload())] = true
		if err := s.Ack(m); err != nil {
			t.Fatal(err)
		}
	}
	if st := b.Topic("t").Stats(); st.Entries != n || st.LastIndex != n-1 {
		t.Errorf("%d entries, last index %d", st.Entries, st.LastIndex)
	}
}

func TestPartitions(t *testing.T) {
	b := Start(t, Options{Partitions: map[string]int{"persistent://public/default/many": 3}})
	parts, err := client(t, b).TopicPartitions("many")
	if err != nil || len(parts) != 3 {
		t.Errorf("%v, %v", parts, err)
	}
}
