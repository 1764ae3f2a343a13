package postgres

import (
	"encoding/hex"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// idProperty is the property that carries the event's id, as in Debezium's messages.
const idProperty = "id"

// message makes the record of the row in d.fields. What cannot be a message becomes one that is rejected with its reason, with as much of
// the row as there is: it keeps its number and its place, so that it is parked and nothing behind it is held up.
func (d *decoder) message(r *relation, cut int) {
	b := d.batch
	topic, reject := d.topic(r)
	if cut > 0 {
		reject = fault.PostgresRowSize.New("%d bytes", cut+cutFrame).Error()
	}
	b.add(connectors.Record{Topic: topic, Sequence: d.row, EventTime: d.eventTime(r)})
	note := func(reason string) {
		if reject == "" {
			reject = reason
		}
	}

	switch f := d.fields[r.key]; f.kind {
	case 't', 'b':
		start := len(b.data)
		if !b.appendValue(f, r.keyBytes) {
			note(columnReason(d.shape.Columns.AggregateID, "is not bytea in hexadecimal form"))
		}
		b.setKey(start)
	case 'u':
		note(columnReason(d.shape.Columns.AggregateID, "was not sent by the server"))
	}
	switch f := d.fields[r.payload]; f.kind {
	case 't', 'b':
		start := len(b.data)
		if !b.appendValue(f, r.payloadBytes) {
			note(columnReason(d.shape.Columns.Payload, "is not bytea in hexadecimal form"))
		}
		b.setPayload(start)
	case 'u':
		note(columnReason(d.shape.Columns.Payload, "was not sent by the server"))
	default:
		b.setNull()
	}
	if r.event >= 0 {
		d.property(idProperty, r.event)
	}
	for _, h := range r.headers {
		d.property(h.property, h.column)
	}
	if reject != "" {
		b.reject(reject)
	}
}

// property adds a column's text as a property. Properties have no NULL: then there is none.
func (d *decoder) property(name string, column int) {
	if f := d.fields[column]; f.kind == 't' {
		d.batch.addProperty(name, f.value)
	}
}

// topic is the full name of the row's topic, or why there is none.
func (d *decoder) topic(r *relation) (name, reject string) {
	f := d.fields[r.route]
	if f.kind != 't' && !d.route.constant {
		return "", columnReason(d.shape.Columns.AggregateType, "is NULL, so there is no topic")
	}
	if name, ok := d.topics[string(f.value)]; ok {
		return name, ""
	}
	name, err := d.route.topic(f.value)
	if err != nil {
		return "", fault.PostgresTopicName.New("%.300q: %w", name[min(len(name), d.route.prefix):], err).Error()
	}
	if len(d.topics) < maxTopics {
		d.topics[string(f.value)] = name
	}
	return name, ""
}

// eventTime is the configured column's time, or the transaction's commit time where it has none.
func (d *decoder) eventTime(r *relation) int64 {
	if r.time >= 0 {
		if f := d.fields[r.time]; f.kind == 't' {
			if ms, ok := parseTime(f.value, r.timeType); ok && ms > 0 {
				return ms
			}
		}
	}
	return d.committed
}

// appendValue copies a column into data: its text as it is, bytea as the bytes it stands for.
func (b *batch) appendValue(f field, isBytea bool) bool {
	if !isBytea || f.kind == 'b' {
		b.data = append(b.data, f.value...)
		return true
	}
	start := len(b.data)
	if len(f.value) < 2 || f.value[0] != '\\' || f.value[1] != 'x' {
		b.data = append(b.data, f.value...)
		return false
	}
	data, err := hex.AppendDecode(b.data, f.value[2:])
	if err != nil {
		b.data = append(b.data[:start], f.value...)
		return false
	}
	b.data = data
	return true
}
