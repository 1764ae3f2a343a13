package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

func (a *API) subscriptions(q *request) error {
	names := []string{}
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	err := a.each(q, func(n topicname.Name) error {
		t, err := a.open(q.Context(), n)
		if err != nil {
			return err
		}
		for _, s := range t.Subscriptions() {
			add(s.Name())
		}
		return nil
	}, func(_ topicname.Name, body []byte, err error) error {
		var there []string
		if err == nil {
			err = json.Unmarshal(body, &there)
		}
		for _, name := range there {
			add(name)
		}
		return err
	})
	if err != nil {
		return err
	}
	return q.reply(names)
}

// createSubscription begins at the message id of the body, or at the end without one.
func (a *API) createSubscription(q *request) error {
	at := struct {
		LedgerID   int64             `json:"ledgerId"`
		EntryID    int64             `json:"entryId"`
		Properties map[string]string `json:"properties"`
	}{bk.Latest.Ledger, bk.Latest.Entry, nil}
	if _, err := q.body(&at); err != nil {
		return err
	}
	if _, err := q.newTopic(); err != nil { // which is made too
		return err
	}
	name, err := q.newName("subscription")
	if err != nil {
		return err
	}
	if err := plainSubscription(name); err != nil {
		return err
	}
	err = a.each(q, func(n topicname.Name) error {
		if err := a.make(q.Context(), n); err != nil { // Pulsar makes the topic too
			return err
		}
		t, err := a.open(q.Context(), n)
		if err != nil {
			return err
		}
		return t.CreateSubscription(q.Context(), name, position(at.LedgerID, at.EntryID), at.Properties)
	}, nil)
	if err != nil {
		return err
	}
	return q.noContent()
}

// position turns the ids by which clients say earliest (-1) and latest (the largest) into ours.
func position(ledger, entry int64) bk.Position {
	switch {
	case ledger == -1 && entry == -1:
		return bk.Earliest
	case ledger == bk.Latest.Ledger:
		return bk.Latest
	}
	return bk.Position{Ledger: ledger, Entry: entry}
}

// plainSubscription refuses the names of the broker's own cursors.
func plainSubscription(name string) error {
	if name == "pulsar.dedup" || strings.HasPrefix(name, "pulsar.repl.") || strings.HasPrefix(name, "__") {
		return fault.AdminSystemSubscription.New("%s", name)
	}
	return nil
}

func (a *API) deleteSubscription(q *request) error {
	name := q.PathValue("subscription")
	if err := plainSubscription(name); err != nil {
		return err
	}
	err := a.each(q, func(n topicname.Name) error {
		t, err := a.open(q.Context(), n)
		if err != nil {
			return err
		}
		if t.Subscription(name) == nil {
			return fault.SubscriptionNotFound.New("%s of %s", name, n)
		}
		return t.Unsubscribe(q.Context(), name, nil, q.flag("force"))
	}, nil)
	if err != nil {
		return err
	}
	return q.noContent()
}

// eachSubscription calls do for the subscription in the path on every partition.
func (a *API) eachSubscription(q *request, do func(ctx context.Context, s *subscription.Subscription) error) error {
	err := a.each(q, func(n topicname.Name) error {
		t, err := a.open(q.Context(), n)
		if err != nil {
			return err
		}
		s := t.Subscription(q.PathValue("subscription"))
		if s == nil {
			return fault.SubscriptionNotFound.New("%s of %s", q.PathValue("subscription"), n)
		}
		return do(q.Context(), s)
	}, nil)
	if err != nil {
		return err
	}
	return q.noContent()
}

func (q *request) number(name string) (int64, error) {
	n, err := strconv.ParseInt(q.PathValue(name), 10, 64)
	if err != nil || n < 0 {
		return 0, fault.AdminParameter.New("%s = %q; want a whole number", name, q.PathValue(name))
	}
	return n, nil
}

func (a *API) subscriptionProperties(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	t, err := a.open(q.Context(), n)
	if err != nil {
		return err
	}
	s := t.Subscription(q.PathValue("subscription"))
	if s == nil {
		return fault.SubscriptionNotFound.New("%s of %s", q.PathValue("subscription"), n)
	}
	return q.reply(nonNilMap(s.Properties()))
}

func (a *API) skipAll(q *request) error {
	return a.eachSubscription(q, func(_ context.Context, s *subscription.Subscription) error { return s.Skip(-1) })
}

func (a *API) skip(q *request) error {
	n, err := q.number("number")
	if err != nil {
		return err
	}
	return a.eachSubscription(q, func(_ context.Context, s *subscription.Subscription) error { return s.Skip(n) })
}

func (a *API) expire(q *request) error {
	n, err := q.number("number")
	if err != nil {
		return err
	}
	before := time.Now().Add(-time.Duration(n) * time.Second)
	return a.eachSubscription(q, func(ctx context.Context, s *subscription.Subscription) error {
		_, err := s.ExpireBefore(ctx, before)
		return err
	})
}

func (a *API) resetToTime(q *request) error {
	n, err := q.number("number")
	if err != nil {
		return err
	}
	return a.eachSubscription(q, func(ctx context.Context, s *subscription.Subscription) error {
		return s.SeekTime(ctx, time.UnixMilli(n))
	})
}

func (a *API) resetToID(q *request) error {
	var at struct {
		LedgerID   int64 `json:"ledgerId"`
		EntryID    int64 `json:"entryId"`
		IsExcluded bool  `json:"isExcluded"`
	}
	if found, err := q.body(&at); err != nil {
		return err
	} else if !found {
		return fault.AdminBody.New("no message id")
	}
	p := position(at.LedgerID, at.EntryID)
	if at.IsExcluded && p != bk.Earliest && p != bk.Latest {
		p.Entry++
	}
	return a.eachSubscription(q, func(ctx context.Context, s *subscription.Subscription) error { return s.Seek(ctx, p, nil) })
}

// copySubscriptions gives the partitions from..to the durable subscriptions that the first one has, from their start, so that nothing
// published to a new partition is missed.
func (a *API) copySubscriptions(q *request, n topicname.Name, from, to int) error {
	if !n.Persistent || from == 0 {
		return nil
	}
	first, err := a.statsOfPartition(q, n.Of(0))
	if err != nil {
		return err
	}
	var errs []error
	for name, s := range first.Subscriptions {
		for i := from; i < to && s.Durable; i++ {
			errs = append(errs, a.copySubscription(q, n.Of(i), name, s.Properties))
		}
	}
	return errors.Join(errs...)
}

// copySubscription makes a subscription from a topic's start unless it is there.
func (a *API) copySubscription(q *request, n topicname.Name, name string, properties map[string]string) error {
	t, err := a.open(q.Context(), n)
	if e, ok := servedElsewhere(err); ok {
		_, err := a.ask(q, "PUT", e, "/subscription/"+url.PathEscape(name), map[string]any{
			"ledgerId": bk.Earliest.Ledger, "entryId": bk.Earliest.Entry, "properties": properties,
		})
		if err != nil && status(err) == http.StatusConflict {
			return nil
		}
		return err
	}
	if err != nil || t.Subscription(name) != nil {
		return err
	}
	return t.CreateSubscription(q.Context(), name, bk.Earliest, properties)
}
