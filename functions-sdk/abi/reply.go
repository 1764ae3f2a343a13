package abi

import (
	"fmt"
	"unicode/utf8"
)

// Status is a guest's verdict on one record. Text is a view into the reply.
type Status struct {
	Code uint32 // StatusOK, StatusRetry or StatusReject
	Text []byte
}

// Output is one record that a guest made. Its slices are views into the reply.
type Output struct {
	Input     uint32 // index of the record it was made from
	Topic     uint32 // index in the request's topic table, or NamedTopic
	Name      []byte // of the topic, with NamedTopic
	Key       []byte
	HasKey    bool
	Payload   []byte
	Null      bool
	EventTime int64
	// Properties are those of Reply from First, Count of them.
	First, Count int
}

// Property is one property of an output; views into the reply.
type Property struct {
	Key, Value []byte
}

// Reply is a decoded reply. Its slices are kept and reused by the next Decode.
type Reply struct {
	Statuses   []Status // one for each record, in order
	Outputs    []Output // in the order of their inputs
	Properties []Property
	// PropertyBytes is how long the keys and values of all properties are together.
	PropertyBytes int
}

// Decode reads the reply b to a request of that many records and topics, and checks all of it: after nil every index is in range, every text is
// UTF-8, outputs come in the order of their inputs and belong to records with StatusOK, and no byte is left over. After an error
// the Reply is empty. Nothing is allocated beyond what b has room for.
func (r *Reply) Decode(b []byte, records, topics int) error {
	r.Reset()
	if err := r.decode(b, records, topics); err != nil {
		r.Reset()
		return err
	}
	return nil
}

// Reset empties the reply, so that no view into a guest's memory outlives that memory.
func (r *Reply) Reset() {
	clear(r.Statuses)
	clear(r.Outputs)
	clear(r.Properties)
	r.Statuses, r.Outputs, r.Properties, r.PropertyBytes = r.Statuses[:0], r.Outputs[:0], r.Properties[:0], 0
}

func (r *Reply) decode(b []byte, records, topics int) error {
	if len(b) < ReplyHeader {
		return fmt.Errorf("reply of %d bytes is shorter than its header", len(b))
	}
	statuses, outputs := le.Uint32(b), le.Uint32(b[4:])
	if int64(statuses) != int64(records) {
		return fmt.Errorf("reply has %d statuses for %d records", statuses, records)
	}
	b = b[ReplyHeader:]
	var err error
	for i := range records {
		if b, err = r.status(b); err != nil {
			return fmt.Errorf("status %d: %w", i, err)
		}
	}
	if int64(outputs)*OutputFixed > int64(len(b)) {
		return fmt.Errorf("reply of %d outputs has only %d bytes for them", outputs, len(b))
	}
	last := uint32(0)
	for i := range outputs {
		if b, err = r.output(b, topics); err != nil {
			return fmt.Errorf("output %d: %w", i, err)
		}
		o := &r.Outputs[i]
		switch {
		case o.Input < last:
			return fmt.Errorf("output %d: input %d comes after input %d", i, o.Input, last)
		case r.Statuses[o.Input].Code != StatusOK:
			return fmt.Errorf("output %d: input %d has status %d, which allows no outputs", i, o.Input, r.Statuses[o.Input].Code)
		}
		last = o.Input
	}
	if len(b) != 0 {
		return fmt.Errorf("%d bytes after the last output", len(b))
	}
	return nil
}

func (r *Reply) status(b []byte) ([]byte, error) {
	if len(b) < StatusFixed {
		return nil, fmt.Errorf("%d bytes where %d are needed", len(b), StatusFixed)
	}
	s := Status{Code: le.Uint32(b[StatusCode:])}
	n := le.Uint32(b[StatusTextSize:])
	b = b[StatusFixed:]
	switch {
	case s.Code > StatusReject:
		return nil, fmt.Errorf("code %d is unknown", s.Code)
	case int64(n) > int64(len(b)):
		return nil, fmt.Errorf("text of %d bytes where %d are left", n, len(b))
	}
	s.Text = b[:n:n]
	if !utf8.Valid(s.Text) {
		return nil, fmt.Errorf("text is not UTF-8")
	}
	r.Statuses = append(r.Statuses, s)
	return b[n:], nil
}

func (r *Reply) output(b []byte, topics int) ([]byte, error) {
	if len(b) < OutputFixed {
		return nil, fmt.Errorf("%d bytes where %d are needed", len(b), OutputFixed)
	}
	size := int64(le.Uint32(b[OutputSize:])) + 4
	if size < OutputFixed || size > int64(len(b)) {
		return nil, fmt.Errorf("size %d where %d bytes are left", size, len(b))
	}
	f, rest := b[:OutputFixed], b[size:]
	b = b[OutputFixed:size]
	flags := le.Uint32(f[OutputFlags:])
	o := Output{
		Input:     le.Uint32(f[OutputInput:]),
		Topic:     le.Uint32(f[OutputTopicIndex:]),
		HasKey:    flags&FlagKey != 0,
		Null:      flags&FlagNull != 0,
		EventTime: int64(le.Uint64(f[OutputEventTime:])),
		First:     len(r.Properties),
	}
	name, key := le.Uint32(f[OutputNameSize:]), le.Uint32(f[OutputKeySize:])
	properties, payload := le.Uint32(f[OutputProperties:]), le.Uint32(f[OutputPayloadSize:])
	fixed := int64(name) + int64(key) + int64(payload) + int64(properties)*PropertyFixed
	switch {
	case int64(o.Input) >= int64(len(r.Statuses)):
		return nil, fmt.Errorf("input %d of %d", o.Input, len(r.Statuses))
	case o.Topic != NamedTopic && int64(o.Topic) >= int64(topics):
		return nil, fmt.Errorf("topic %d of %d", o.Topic, topics)
	case (o.Topic == NamedTopic) != (name != 0):
		return nil, fmt.Errorf("topic %#x with a name of %d bytes", o.Topic, name)
	case flags&^(FlagKey|FlagNull) != 0:
		return nil, fmt.Errorf("flags %#x are unknown", flags)
	case !o.HasKey && key != 0:
		return nil, fmt.Errorf("key of %d bytes without its flag", key)
	case o.Null && payload != 0:
		return nil, fmt.Errorf("null with a payload of %d bytes", payload)
	case o.EventTime < 0:
		return nil, fmt.Errorf("event time %d", o.EventTime)
	case fixed > int64(len(b)):
		return nil, fmt.Errorf("parts of %d bytes where %d are left", fixed, len(b))
	}
	o.Name, b = b[:name:name], b[name:]
	o.Key, b = b[:key:key], b[key:]
	for i := range properties {
		var err error
		if b, err = r.property(b); err != nil {
			return nil, fmt.Errorf("property %d: %w", i, err)
		}
	}
	o.Count = int(properties)
	if int64(payload) != int64(len(b)) {
		return nil, fmt.Errorf("payload of %d bytes where %d are left", payload, len(b))
	}
	o.Payload = b[:len(b):len(b)]
	if !utf8.Valid(o.Name) {
		return nil, fmt.Errorf("topic name is not UTF-8")
	}
	r.Outputs = append(r.Outputs, o)
	return rest, nil
}

func (r *Reply) property(b []byte) ([]byte, error) {
	if len(b) < PropertyFixed {
		return nil, fmt.Errorf("%d bytes where %d are needed", len(b), PropertyFixed)
	}
	key, value := le.Uint32(b), le.Uint32(b[4:])
	b = b[PropertyFixed:]
	n := int64(key) + int64(value)
	if n > int64(len(b)) {
		return nil, fmt.Errorf("%d bytes where %d are left", n, len(b))
	}
	p := Property{Key: b[:key:key], Value: b[key:n:n]}
	if !utf8.Valid(p.Key) || !utf8.Valid(p.Value) {
		return nil, fmt.Errorf("not UTF-8")
	}
	r.Properties = append(r.Properties, p)
	r.PropertyBytes += int(n)
	return b[n:], nil
}
