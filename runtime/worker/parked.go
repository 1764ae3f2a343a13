package worker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

func parkedID(r *connectors.Record) string {
	id := strconv.FormatInt(r.ID.Ledger, 10) + ":" + strconv.FormatInt(r.ID.Entry, 10)
	if r.ID.Batch >= 0 {
		id += ":" + strconv.Itoa(int(r.ID.Batch))
	}
	return id
}

func property(r *connectors.Record, key string) string {
	for _, kv := range r.Properties {
		if kv.Key == key {
			return kv.Value
		}
	}
	return ""
}

func toParked(r *connectors.Record, payload bool) functions.ParkedMessage {
	why, _ := functions.ReadParked(func(key string) string { return property(r, key) })
	p := functions.ParkedMessage{ID: parkedID(r), Reason: why.Reason, Code: why.Code, Topic: why.Topic, From: why.MessageID, Attempts: why.Attempts,
		Time: why.At, Key: string(r.Key), Size: len(r.Payload), Null: r.Null, Properties: map[string]string{}}
	for _, kv := range r.Properties {
		if !functions.IsParkedProperty(kv.Key) {
			p.Properties[kv.Key] = kv.Value
		}
	}
	if payload {
		if utf8.Valid(r.Payload) {
			p.Text = string(r.Payload)
		} else {
			p.Bytes = r.Payload
		}
	}
	return p
}

// maxListed is the most parked messages one answer lists.
const maxListed = 1000

func (w *Worker) parkedTopic(q *request) (string, error) {
	spec, err := w.store.live(q.Context(), q.kind, q.name)
	return spec.DeadLetter, err
}

// own reports whether a parked message belongs to the deployment: a dead-letter topic may serve several.
func own(q *request, r *connectors.Record) bool {
	return property(r, functions.PropParkedBy) == q.name.String()
}

func (w *Worker) restParkedList(q *request) error {
	topic, err := w.parkedTopic(q)
	if err != nil {
		return err
	}
	out := []functions.ParkedMessage{}
	err = w.o.Client.Backlog(q.Context(), topic, functions.ParkedSubscription, func(r connectors.Record, _ func() error) (bool, error) {
		if own(q, &r) {
			out = append(out, toParked(&r, false))
		}
		return len(out) < maxListed, nil
	})
	if err != nil {
		return err
	}
	return q.reply(out)
}

func (w *Worker) restParkedShow(q *request) error {
	topic, err := w.parkedTopic(q)
	if err != nil {
		return err
	}
	var found *functions.ParkedMessage
	err = w.o.Client.Backlog(q.Context(), topic, functions.ParkedSubscription, func(r connectors.Record, _ func() error) (bool, error) {
		if own(q, &r) && parkedID(&r) == q.URL.Query().Get("id") {
			p := toParked(&r, true)
			found = &p
		}
		return found == nil, nil
	})
	if err != nil {
		return err
	}
	if found == nil {
		return fault.WorkerNoParked.New("%s in %s", q.URL.Query().Get("id"), topic)
	}
	return q.reply(found)
}

// restParkedRedrive sends parked messages back to where they came from, and takes them off the parked ones once they are durable there:
// {"ids": [...]} or {"all": true}. A crash between the two sends one again. Records that a source parked have no topic to go back to; they go
// to the topic they were meant for when there is one.
func (w *Worker) restParkedRedrive(q *request) error {
	var in struct {
		IDs []string `json:"ids"`
		All bool     `json:"all"`
	}
	if err := q.json(&in); err != nil {
		return err
	}
	if in.All == (len(in.IDs) > 0) {
		return fault.WorkerBadConfig.New("give ids, or all")
	}
	topic, err := w.parkedTopic(q)
	if err != nil {
		return err
	}
	out := struct {
		Redriven int      `json:"redriven"`
		Missing  []string `json:"missing"`
	}{Missing: slices.Clone(in.IDs)}
	err = w.o.Client.Backlog(q.Context(), topic, functions.ParkedSubscription, func(r connectors.Record, ack func() error) (bool, error) {
		id := parkedID(&r)
		if !own(q, &r) || !in.All && !slices.Contains(in.IDs, id) {
			return true, nil
		}
		if err := w.redrive(q.Context(), r); err != nil {
			return false, fmt.Errorf("%s: %w", id, err)
		}
		if err := ack(); err != nil {
			return false, err
		}
		out.Redriven++
		out.Missing = slices.DeleteFunc(out.Missing, func(s string) bool { return s == id })
		return in.All || len(out.Missing) > 0, nil
	})
	if err != nil {
		return err
	}
	if out.Redriven == 0 && len(out.Missing) > 0 {
		return fault.WorkerNoParked.New("%s in %s", strings.Join(out.Missing, ", "), topic)
	}
	if out.Missing == nil {
		out.Missing = []string{}
	}
	return q.reply(out)
}

func (w *Worker) redrive(ctx context.Context, r connectors.Record) error {
	again := connectors.Record{Key: r.Key, HasKey: r.HasKey, Payload: r.Payload, Null: r.Null, EventTime: r.EventTime, Topic: property(&r, functions.PropTopic)}
	for _, kv := range r.Properties {
		if !functions.IsParkedProperty(kv.Key) {
			again.Properties = append(again.Properties, kv)
		}
	}
	if again.Topic == "" || !strings.Contains(again.Topic, "://") {
		return fault.WorkerNoParked.New("the message has no topic to go back to (%q)", again.Topic)
	}
	return w.o.Client.Publish(ctx, []connectors.Record{again})
}
