package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	pulsarlog "github.com/apache/pulsar-client-go/pulsar/log"
)

func client(url string) (pulsar.Client, error) {
	return pulsar.NewClient(pulsar.ClientOptions{URL: url, Logger: pulsarlog.NewLoggerWithSlog(slog.New(slog.NewTextHandler(io.Discard, nil)))})
}

// watcher reads the output topic live.
type watcher struct {
	client   pulsar.Client
	consumer pulsar.Consumer
}

func watch(_ context.Context, url string) (*watcher, error) {
	c, err := client(url)
	if err != nil {
		return nil, err
	}
	k, err := c.Subscribe(pulsar.ConsumerOptions{Topic: outputTopic, SubscriptionName: "watch", SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest})
	if err != nil {
		c.Close()
		return nil, err
	}
	return &watcher{c, k}, nil
}

func (w *watcher) next(ctx context.Context) (string, error) {
	m, err := w.consumer.Receive(ctx)
	if err != nil {
		return "", err
	}
	return string(m.Payload()), w.consumer.Ack(m)
}

func (w *watcher) close() {
	w.consumer.Close()
	w.client.Close()
}

// readAll reads the topic from its start until it holds want messages and then until nothing more comes for a while, so that a message too many
// would show.
func readAll(ctx context.Context, url string, want int) ([]pulsar.Message, error) {
	c, err := client(url)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	r, err := c.CreateReader(pulsar.ReaderOptions{Topic: outputTopic, StartMessageID: pulsar.EarliestMessageID()})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var found []pulsar.Message
	for {
		wait := time.Minute
		if len(found) >= want {
			wait = 3 * time.Second
		}
		ctx, cancel := context.WithTimeout(ctx, wait)
		m, err := r.Next(ctx)
		cancel()
		if err != nil {
			if len(found) >= want && ctx.Err() != nil {
				return found, nil
			}
			return found, fmt.Errorf("after %d of %d messages: %w", len(found), want, err)
		}
		found = append(found, m)
	}
}

// judge compares what was committed with what arrived.
func judge(committed *ledgerOfRows, found []pulsar.Message) error {
	committed.mu.Lock()
	defer committed.mu.Unlock()
	var wrong []string
	times := map[string]int{}
	last := map[string]int{}
	for _, m := range found {
		var e struct {
			row
			Tax, Total int64
			Currency   string
		}
		if err := json.Unmarshal(m.Payload(), &e); err != nil {
			return fmt.Errorf("%s: %w", m.Payload(), err)
		}
		times[e.ID]++
		r, ok := committed.rows[e.ID]
		switch {
		case !ok:
			wrong = append(wrong, e.ID+" was never committed")
		case times[e.ID] > 1:
			wrong = append(wrong, fmt.Sprintf("%s is there %d times", e.ID, times[e.ID]))
		case e.row != r || e.Tax != r.Net*19/100 || e.Total != r.Net+e.Tax || e.Currency != "EUR" || m.Key() != r.Customer || m.Properties()["id"] != r.ID:
			wrong = append(wrong, fmt.Sprintf("%s came out wrong: %s, key %s, %v", e.ID, m.Payload(), m.Key(), m.Properties()))
		case e.Seq != last[e.Customer]+1:
			wrong = append(wrong, fmt.Sprintf("%s of %s came after %d", e.ID, e.Customer, last[e.Customer]))
		}
		last[e.Customer] = e.Seq
	}
	for id := range committed.rows {
		if times[id] == 0 {
			wrong = append(wrong, id+" is missing")
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%d things are wrong, the first: %s", len(wrong), strings.Join(wrong[:min(5, len(wrong))], "; "))
	}
	return nil
}
