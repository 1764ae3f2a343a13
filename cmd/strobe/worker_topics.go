package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/strobemq/strobe/broker/placement"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
)

// ownerTime is how long another broker may take to answer about one topic.
const ownerTime = 10 * time.Second

// maxStats is the largest answer of another broker about one topic.
const maxStats = 16 << 20

// eachPartition calls here for every partition of a topic that this broker serves, and there for those of other brokers, which may not exist;
// for the topic itself when it has no partitions.
func (w *workerRole) eachPartition(ctx context.Context, name string, here func(t *topic.Topic) error, there func(n topicname.Name, o placement.Owner) error) error {
	n, err := topicname.Parse(name)
	if err != nil {
		return err
	}
	count, err := w.n.broker.policies.Partitions(ctx, n)
	if err != nil {
		return err
	}
	parts := []topicname.Name{n}
	if count > 0 {
		parts = parts[:0]
		for i := range count {
			parts = append(parts, n.Of(i))
		}
	}
	for _, p := range parts {
		if err := w.partition(ctx, p, here, there); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

func (w *workerRole) partition(ctx context.Context, p topicname.Name, here func(t *topic.Topic) error, there func(n topicname.Name, o placement.Owner) error) error {
	b := w.n.broker
	o, err := b.placement.Lookup(ctx, p, "")
	if err != nil {
		return err
	}
	if !o.Local {
		return there(p, o)
	}
	exists, err := b.topics.Exists(ctx, p)
	if err != nil || !exists {
		return err
	}
	t, err := b.topics.Get(ctx, p, false)
	if err != nil {
		return err
	}
	return here(t)
}

// unsubscribe removes the subscription of a deleted function from all partitions of an input.
func (w *workerRole) unsubscribe(ctx context.Context, input, subscription string) error {
	return w.eachPartition(ctx, input, func(t *topic.Topic) error {
		if t.Subscription(subscription) == nil {
			return nil
		}
		return t.Unsubscribe(ctx, subscription, nil, true)
	}, func(n topicname.Name, o placement.Owner) error {
		_, err := askOwner(ctx, http.MethodDelete, o, n, "/subscription/"+url.PathEscape(subscription)+"?force=true")
		return err
	})
}

// lag is how far a function is behind on an input.
func (w *workerRole) lag(ctx context.Context, input, subscription string) (messages int64, seconds float64, err error) {
	err = w.eachPartition(ctx, input, func(t *topic.Topic) error {
		s := t.Subscription(subscription)
		if s == nil {
			return nil
		}
		m, age, err := t.Lag(ctx, s)
		messages, seconds = messages+m, max(seconds, age.Seconds())
		return err
	}, func(n topicname.Name, o placement.Owner) error {
		text, err := askOwner(ctx, http.MethodGet, o, n, "/stats?getEarliestTimeInBacklog=true")
		if err != nil || text == nil {
			return err
		}
		var stats struct {
			Subscriptions map[string]struct {
				LagMessages int64   `json:"lagMessages"`
				LagSeconds  float64 `json:"lagSeconds"`
			} `json:"subscriptions"`
		}
		if err := json.Unmarshal(text, &stats); err != nil {
			return err
		}
		s := stats.Subscriptions[subscription]
		messages, seconds = messages+s.LagMessages, max(seconds, s.LagSeconds)
		return nil
	})
	return messages, seconds, err
}

// askOwner asks the REST of the broker that serves a topic; nil and no error when there is no such topic or subscription.
func askOwner(ctx context.Context, method string, o placement.Owner, n topicname.Name, more string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, ownerTime)
	defer cancel()
	at := o.HTTPURL + "/admin/v2/" + n.Domain() + "/" + n.FullNamespace() + "/" + url.PathEscape(n.Local) + more
	r, err := http.NewRequestWithContext(ctx, method, at, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, fault.BundleElsewhere.New("%w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxStats))
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, nil
	case err != nil:
		return nil, err
	case resp.StatusCode/100 != 2:
		return nil, fault.BundleElsewhere.New("%s %s: %s %.300s", method, at, resp.Status, text)
	}
	return text, nil
}
