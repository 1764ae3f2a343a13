package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// message reads one entry back as it is stored.
func (a *API) message(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	ledger, err := q.number("ledger")
	if err != nil {
		return err
	}
	entry, err := q.number("entry")
	if err != nil {
		return err
	}
	t, err := a.open(q.Context(), n)
	if err != nil {
		return err
	}
	return q.entry(t, bk.Position{Ledger: ledger, Entry: entry})
}

// peek reads the n-th entry (from 1) that a subscription has not acknowledged.
func (a *API) peek(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	number, err := q.number("number")
	if err != nil {
		return err
	}
	t, err := a.open(q.Context(), n)
	if err != nil {
		return err
	}
	s := t.Subscription(q.PathValue("subscription"))
	if s == nil || t.Ledger() == nil {
		return fault.SubscriptionNotFound.New("%s of %s", q.PathValue("subscription"), n)
	}
	p, err := unacknowledged(q.Context(), t, s.Cursor(), max(number, 1))
	if err != nil {
		return err
	}
	return q.entry(t, p)
}

// cursor is what peek asks a subscription's position.
type cursor interface {
	MarkDelete() bk.Position
	IsAcked(bk.Position) bool
}

func unacknowledged(ctx context.Context, t *topic.Topic, c cursor, number int64) (bk.Position, error) {
	p, last := c.MarkDelete(), t.Ledger().LastConfirmed()
	for ctx.Err() == nil {
		p = t.Ledger().Next(p)
		if last.Less(p) {
			return p, fault.TopicEntry.New("fewer than %d entries are not acknowledged", number)
		}
		if c.IsAcked(p) {
			continue
		}
		if number--; number == 0 {
			return p, nil
		}
	}
	return p, ctx.Err()
}

// entry answers with an entry's payload (decompressed), and its metadata as X-Pulsar headers.
func (q *request) entry(t *topic.Topic, p bk.Position) error {
	e, err := t.Entry(q.Context(), p)
	if err != nil {
		return err
	}
	defer e.Payload.Release()
	broker, rest, _, err := wire.CutBrokerEntry(e.Payload.B)
	if err != nil {
		return err
	}
	parts, err := wire.ParsePayload(rest)
	if err != nil {
		return err
	}
	var m wire.Metadata
	if err := m.Decode(parts.Metadata); err != nil {
		return err
	}
	body := parts.Body
	if m.Compression != wire.None && !m.Encrypted {
		if body, err = m.Compression.Decompress(nil, body, m.Uncompressed, 128<<20); err != nil {
			return err
		}
	}
	h := q.w.Header()
	set := func(key string, on bool, v string) {
		if on {
			h["X-Pulsar-"+key] = []string{v} // as Pulsar spells them
		}
	}
	set("Message-ID", true, fmt.Sprintf("%d:%d", p.Ledger, p.Entry))
	set("producer-name", true, string(m.ProducerName))
	set("sequence-id", true, strconv.FormatUint(m.SequenceID, 10))
	set("publish-time", true, stamp(m.PublishTime))
	set("event-time", m.EventTime != 0, stamp(m.EventTime))
	set("partition-key", m.PartitionKey != nil, string(m.PartitionKey))
	set("num-batch-message", m.Batch, strconv.Itoa(int(m.Messages)))
	set("batch-size", m.Batch, strconv.Itoa(len(body)))
	set("uncompressed-size", m.Uncompressed != 0, strconv.FormatUint(uint64(m.Uncompressed), 10))
	set("null-value", m.NullValue, "true")
	set("Is-Encrypted", true, strconv.FormatBool(m.Encrypted))
	set("Broker-Entry-INDEX", broker.HasIndex, strconv.FormatInt(broker.Index, 10))
	set("Broker-Entry-TIMESTAMP", broker.HasTimestamp, stamp(broker.Timestamp))
	properties := map[string]string{}
	for k, v := range m.Properties() {
		properties[string(k)] = string(v)
	}
	text, err := json.Marshal(properties)
	if err != nil {
		return err
	}
	set("PROPERTY", len(properties) > 0, string(text))
	h.Set("Content-Type", "application/octet-stream")
	_, err = q.w.Write(body)
	return err
}
