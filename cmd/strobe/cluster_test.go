package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/strobemq/strobe/internal/product"
)

// testCluster is one etcd, three bookies and two brokers, each a process.
type testCluster struct{ *product.Cluster }

// startCluster founds a cluster whose broker sessions last as short as etcd allows.
func startCluster(t *testing.T, set ...string) *testCluster {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	c, err := product.StartCluster(context.Background(), product.ClusterOptions{Binary: path, Dir: t.TempDir(), Brokers: 2,
		Set: append([]string{"metadata.sessionTimeoutMillis=2000", "bookie.diskReserveMB=16"}, set...)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return &testCluster{c}
}

// again starts a process that was killed, where it was.
func again(t *testing.T, p **product.Process) {
	t.Helper()
	now, err := (*p).Again(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	*p = now
}

// owner is which broker serves the topic, as the broker ask says. It may need a moment to know.
func (c *testCluster) owner(t *testing.T, ask int, topic string) int {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; letRun(50 * time.Millisecond) {
		var o struct{ BrokerURL string }
		text := get(t, c.Brokers[ask].HTTP+"/lookup/v2/topic/"+strings.Replace(topic, "://", "/", 1))
		err := json.Unmarshal([]byte(text), &o)
		for i, p := range c.Brokers {
			if err == nil && o.BrokerURL == p.Pulsar {
				return i
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("who serves %s: %s", topic, text)
		}
	}
}

// clusterRounds is how often TestReceiptsHoldThroughKillsOfACluster ends, or stops, a broker.
const clusterRounds = 6

// TestReceiptsHoldThroughKillsOfACluster publishes and consumes with the stock client, which knows both brokers, while whichever broker
// serves a topic is killed again and again, and a bookie too. Now the broker comes back before its session ends, now the other one
// takes its topics over, once from one that was only stopped and comes back to life. What the client holds a receipt for must be there, in
// order; nothing may be there twice, because deduplication is on; and all of it must come to a consumer, in order under each key but where the
// client drops something: pulsar-client-go v0.21.0 may subscribe once more after it has come back, and then throws away a part of what the
// broker sent in between and passes on the rest. The crash rounds allow nothing, with a client that does not.
func TestReceiptsHoldThroughKillsOfACluster(t *testing.T) {
	if raceEnabled {
		t.Skip(racingClient)
	}
	if testing.Short() {
		t.Skip("takes half a minute and six processes")
	}
	c := startCluster(t, "broker.defaultRetentionTimeInMinutes=-1", "broker.defaultRetentionSizeInMB=-1", "broker.brokerDeduplicationEnabled=true")
	client := stockClient(t, c.URL())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	writers := []*receiptWriter{
		{topic: "persistent://public/default/batched", batched: true},
		{topic: "persistent://public/default/single"},
	}
	var wg, reading sync.WaitGroup
	readers := make([]*keyReader, len(writers))
	for i, w := range writers {
		readers[i] = &keyReader{topic: w.topic}
		consumer := readers[i].subscribe(t, client)
		reading.Go(func() { readers[i].run(t, consumer) })
		producer := w.producer(t, client)
		wg.Go(func() { w.run(ctx, t, producer) })
	}
	for round := range clusterRounds {
		letRun(time.Duration(300+rand.IntN(300)) * time.Millisecond)
		topic := writers[round%len(writers)].topic
		victim := c.owner(t, round%2, topic)
		switch {
		case round == 5:
			c.freeze(t, victim, topic)
			continue
		case round%2 == 1:
			c.Brokers[victim].Kill()
			c.takeOver(t, victim, topic)
		default:
			c.Brokers[victim].Kill()
		}
		again(t, &c.Brokers[victim])
		if round == 2 || round == 4 {
			c.Bookies[round/2].Kill()
			letRun(500 * time.Millisecond)
			again(t, &c.Bookies[round/2])
		}
	}
	letRun(300 * time.Millisecond)
	cancel()
	wg.Wait()
	for i, w := range writers {
		readers[i].total.Store(int64(w.sent))
	}
	reading.Wait()
	for i, w := range writers {
		w.check(t, stockClient(t, c.URL()))
		readers[i].check(t)
	}
}

// takeOver waits until the other broker serves what victim served.
func (c *testCluster) takeOver(t *testing.T, victim int, topic string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); c.owner(t, 1-victim, topic) == victim; letRun(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s stays with a broker that is gone", topic)
		}
	}
}

// freeze stops a broker until another one has taken the topic over, fencing included, and lets it go on: it believes that the topic is still
// its own, and clients that stayed with it, too.
func (c *testCluster) freeze(t *testing.T, victim int, topic string) {
	t.Helper()
	process := c.Brokers[victim]
	if err := process.Pause(); err != nil {
		t.Fatal(err)
	}
	c.takeOver(t, victim, topic)
	r, err := stockClient(t, c.Brokers[1-victim].Pulsar).CreateReader(pulsar.ReaderOptions{Topic: topic, StartMessageID: pulsar.EarliestMessageID()})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := r.Next(ctx); err != nil {
		t.Errorf("the new owner of %s: %v", topic, err)
	}
	if err := process.Resume(); err != nil {
		t.Fatal(err)
	}
	letRun(time.Second) // the two meet
}

// letRun waits while something is going on in other processes that has no end to wait for.
func letRun(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// keyReader consumes a topic and notes what came under each key.
type keyReader struct {
	topic string
	high  map[string]int // the highest message under a key
	holes map[string]int // how often one came under a key before the one that it follows
	total atomic.Int64   // how many there are; 0 while that is not known
	first int            // how many came for the first time
	again int            // how many came again, because their acknowledgement went down with a broker
}

func (r *keyReader) subscribe(t *testing.T, client pulsar.Client) pulsar.Consumer {
	t.Helper()
	c, err := client.Subscribe(pulsar.ConsumerOptions{Topic: r.topic, SubscriptionName: "reader", Type: pulsar.KeyShared,
		SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// run consumes until total messages came, once that is known.
func (r *keyReader) run(t *testing.T, c pulsar.Consumer) {
	defer c.Close()
	r.high, r.holes = map[string]int{}, map[string]int{}
	came := map[int]bool{}
	for quiet := 0; ; {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		m, err := c.Receive(ctx)
		cancel()
		total := int(r.total.Load())
		if total > 0 && r.first == total || err != nil && (t.Context().Err() != nil || quiet > 40) {
			return
		}
		if err != nil {
			if total > 0 {
				quiet++
			}
			continue
		}
		var n int
		if _, err := fmt.Sscan(string(m.Payload()), &n); err != nil {
			t.Errorf("%s: %q was never sent", r.topic, m.Payload())
		}
		if came[n] {
			r.again++
		} else {
			high, any := r.high[m.Key()]
			if !any {
				high = n%keys - keys
			}
			if n > high+keys {
				r.holes[m.Key()]++
			}
			came[n] = true
			r.first++
			r.high[m.Key()] = max(high, n)
		}
		if err := c.Ack(m); err != nil {
			t.Logf("%s: acknowledgement of %d: %v", r.topic, n, err)
		}
		if r.first == total {
			return
		}
	}
}

// check allows as many holes under a key as the client may have lost its connection: each round ends one broker, and may move the topic once more.
func (r *keyReader) check(t *testing.T) {
	for key, n := range r.holes {
		if n > 2*clusterRounds {
			t.Errorf("%s: under key %s messages came %d times before those that they follow", r.topic, key, n)
		}
	}
	if total := int(r.total.Load()); r.first != total {
		t.Errorf("%s: %d of %d messages were consumed", r.topic, r.first, total)
	}
	t.Logf("%s: consumed, %d of %d again after a kill, holes %v", r.topic, r.again, r.first, r.holes)
}
