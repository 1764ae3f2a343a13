package strobe

import "time"

// Message is one message, as it comes in and as it is emitted; a handler that passes a message on emits the one it was given.
type Message struct {
	// Key is the message key, nil when there is none.
	Key []byte
	// Payload is the value. Null marks a null value (a tombstone), which differs from an empty one; Payload is then ignored.
	Payload    []byte
	Null       bool
	Properties Properties
	EventTime  Millis // when it happened, as its producer said; 0 for none

	// The rest says where the message came from, and is ignored when it is emitted.

	Topic       string // full name of the topic it was read from
	ID          MessageID
	PublishTime Millis
	Redelivery  int // how often it was delivered before
}

// Millis is a time in milliseconds since 1970, as messages carry it.
type Millis int64

// MillisOf is t as messages carry it.
func MillisOf(t time.Time) Millis { return Millis(t.UnixMilli()) }

// Time is m as a time, and the zero time if m is 0.
func (m Millis) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m))
}

// MessageID says where in a topic a message is.
type MessageID struct {
	Ledger    int64
	Entry     int64
	Batch     int32 // index in its batch, -1 without one
	Partition int32 // -1 when the topic has no partitions
}

// Property is one header.
type Property struct {
	Key   string
	Value string
}

// Properties are a message's headers, in order.
type Properties []Property

// Get returns the value of the first property with that key.
func (p Properties) Get(key string) (value string, ok bool) {
	for i := range p {
		if p[i].Key == key {
			return p[i].Value, true
		}
	}
	return "", false
}

// With returns the properties with key set to value, in a new slice if there is no such key yet.
func (p Properties) With(key, value string) Properties {
	out := append(make(Properties, 0, len(p)+1), p...)
	for i := range out {
		if out[i].Key == key {
			out[i].Value = value
			return out
		}
	}
	return append(out, Property{Key: key, Value: value})
}
