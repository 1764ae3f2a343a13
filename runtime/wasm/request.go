package wasm

import (
	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/functions-sdk/abi"
)

// request lays a batch out for the guest: first measured, then written straight into the guest's memory. Everything is reused.
type request struct {
	topics []string          // the topic table
	places map[string]uint32 // in topics
	of     []uint32          // topic of each record
	size   int
	writer abi.Request
}

// measure makes the topic table and the size of the request.
func (r *request) measure(output string, in []connectors.Record) {
	if r.places == nil {
		r.places = map[string]uint32{}
	}
	clear(r.places)
	r.topics, r.of = append(r.topics[:0], output), r.of[:0]
	r.size = abi.RequestHeader + abi.TopicSize(output)
	last, place := "", uint32(0)
	for i := range in {
		rec := &in[i]
		if i == 0 || rec.Topic != last {
			last, place = rec.Topic, r.place(rec.Topic)
		}
		r.of = append(r.of, place)
		var key, payload []byte
		if rec.HasKey {
			key = rec.Key
		}
		if !rec.Null {
			payload = rec.Payload
		}
		r.size += abi.Size(key, payload)
		for j := range rec.Properties {
			r.size += abi.PropertySize(rec.Properties[j].Key, rec.Properties[j].Value)
		}
	}
}

// place finds or adds a topic. The output has place 0 even if records come from a topic of that name.
func (r *request) place(topic string) uint32 {
	if place, ok := r.places[topic]; ok {
		return place
	}
	place := uint32(len(r.topics))
	r.places[topic] = place
	r.topics = append(r.topics, topic)
	r.size += abi.TopicSize(topic)
	return place
}

// write writes the request that was measured into buf, which has its size.
func (r *request) write(buf []byte, in []connectors.Record) {
	w := &r.writer
	w.Begin(buf, len(r.topics), len(in))
	for _, t := range r.topics {
		w.Topic(t)
	}
	var f abi.Record
	for i := range in {
		rec := &in[i]
		f = abi.Record{
			Topic: r.of[i], Key: rec.Key, HasKey: rec.HasKey, Null: rec.Null,
			Ledger: rec.ID.Ledger, Entry: rec.ID.Entry, Batch: rec.ID.Batch, Partition: rec.ID.Partition,
			EventTime: max(rec.EventTime, 0), PublishTime: max(rec.PublishTime, 0), Redelivery: uint32(max(rec.Redelivery, 0)),
		}
		w.Record(&f, len(rec.Properties))
		for j := range rec.Properties {
			w.Property(rec.Properties[j].Key, rec.Properties[j].Value)
		}
		if rec.Null {
			w.Payload(nil)
		} else {
			w.Payload(rec.Payload)
		}
	}
}
