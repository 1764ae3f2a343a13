package strobe

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// Frames are described byte by byte in docs/functions-abi.md; the numbers in layout.go are generated from the host's.

var le = binary.LittleEndian

var errFrame = errors.New("strobe: the host's request is damaged")

// request reads a request record by record.
type request struct {
	topics  []string // reused; kept strings when the names are the same as in the request before
	records int
	left    []byte
	props   Properties // reused
}

func (r *request) begin(b []byte) error {
	if len(b) < requestHeader {
		return errFrame
	}
	topics, records := le.Uint32(b), le.Uint32(b[4:])
	b = b[requestHeader:]
	if int64(topics)*4+int64(records)*recordFixed > int64(len(b)) {
		return errFrame
	}
	old := r.topics
	r.topics = r.topics[:0]
	for i := range int(topics) {
		if len(b) < 4 {
			return errFrame
		}
		n := le.Uint32(b)
		b = b[4:]
		if int64(n) > int64(len(b)) {
			return errFrame
		}
		if i < len(old) && old[i] == string(b[:n]) {
			r.topics = append(r.topics, old[i])
		} else {
			r.topics = append(r.topics, string(b[:n]))
		}
		b = b[n:]
	}
	r.records, r.left = int(records), b
	return nil
}

// next reads the next record into m, whose slices are views into the request and r.props.
func (r *request) next(m *Message) error {
	if len(r.left) < recordFixed {
		return errFrame
	}
	f := r.left
	size := int64(le.Uint32(f[recordSize:])) + 4
	if size < recordFixed || size > int64(len(f)) {
		return errFrame
	}
	b := f[recordFixed:size]
	r.left = f[size:]
	topic, flags := le.Uint32(f[recordTopic:]), le.Uint32(f[recordFlags:])
	key, props, payload := le.Uint32(f[recordKeySize:]), le.Uint32(f[recordProperties:]), le.Uint32(f[recordPayloadSize:])
	if int64(topic) >= int64(len(r.topics)) || int64(key)+int64(payload)+int64(props)*propertyFixed > int64(len(b)) {
		return errFrame
	}
	*m = Message{
		Topic: r.topics[topic],
		ID: MessageID{
			Ledger: int64(le.Uint64(f[recordLedger:])), Entry: int64(le.Uint64(f[recordEntry:])),
			Batch: int32(le.Uint32(f[recordBatch:])), Partition: int32(le.Uint32(f[recordPartition:])),
		},
		EventTime:   unixMilli(le.Uint64(f[recordEventTime:])),
		PublishTime: unixMilli(le.Uint64(f[recordPublishTime:])),
		Redelivery:  int(le.Uint32(f[recordRedelivery:])),
		Null:        flags&flagNull != 0,
	}
	if flags&flagKey != 0 {
		m.Key = b[:key:key]
	}
	b = b[key:]
	r.props = r.props[:0]
	for range props {
		if len(b) < propertyFixed {
			return errFrame
		}
		k, v := int64(le.Uint32(b)), int64(le.Uint32(b[4:]))
		b = b[propertyFixed:]
		if k+v > int64(len(b)) {
			return errFrame
		}
		text := string(b[:k+v])
		r.props = append(r.props, Property{Key: text[:k], Value: text[k:]})
		b = b[k+v:]
	}
	if props != 0 {
		m.Properties = r.props
	}
	if int64(payload) != int64(len(b)) {
		return errFrame
	}
	m.Payload = b[:len(b):len(b)]
	return nil
}

// reply collects statuses and outputs; both buffers are reused.
type reply struct {
	statuses []byte // with room for the reply's header in front
	outputs  []byte
	count    uint32 // of outputs
	input    uint32 // current record
	mark     int    // where its outputs start
	marked   uint32
}

func (r *reply) begin(records int) {
	r.statuses = append(r.statuses[:0], make([]byte, replyHeader)...)
	r.outputs = r.outputs[:0]
	r.count = 0
	le.PutUint32(r.statuses, uint32(records))
}

func (r *reply) record(index int) {
	r.input, r.mark, r.marked = uint32(index), len(r.outputs), r.count
}

// status ends the current record; its outputs are dropped unless status is statusOK.
func (r *reply) status(status uint32, text string) {
	if status != statusOK {
		r.outputs, r.count = r.outputs[:r.mark], r.marked
	}
	text = validText(text)
	r.statuses = le.AppendUint32(r.statuses, status)
	r.statuses = le.AppendUint32(r.statuses, uint32(len(text)))
	r.statuses = append(r.statuses, text...)
}

// emit adds an output of the current record. An empty topic is the function's output.
func (r *reply) emit(topic string, m *Message) {
	payload := m.Payload
	flags, index := uint32(0), uint32(outputTopic)
	if m.Key != nil {
		flags |= flagKey
	}
	if m.Null {
		flags, payload = flags|flagNull, nil
	}
	if topic = validText(topic); topic != "" {
		index = namedTopic
	}
	var f [outputFixed]byte
	le.PutUint32(f[outputInput:], r.input)
	le.PutUint32(f[outputTopicIndex:], index)
	le.PutUint32(f[outputFlags:], flags)
	if !m.EventTime.IsZero() && m.EventTime.UnixMilli() > 0 {
		le.PutUint64(f[outputEventTime:], uint64(m.EventTime.UnixMilli()))
	}
	le.PutUint32(f[outputNameSize:], uint32(len(topic)))
	le.PutUint32(f[outputKeySize:], uint32(len(m.Key)))
	le.PutUint32(f[outputProperties:], uint32(len(m.Properties)))
	le.PutUint32(f[outputPayloadSize:], uint32(len(payload)))
	at := len(r.outputs)
	r.outputs = append(r.outputs, f[:]...)
	r.outputs = append(r.outputs, topic...)
	r.outputs = append(r.outputs, m.Key...)
	for i := range m.Properties {
		k, v := validText(m.Properties[i].Key), validText(m.Properties[i].Value)
		r.outputs = le.AppendUint32(r.outputs, uint32(len(k)))
		r.outputs = le.AppendUint32(r.outputs, uint32(len(v)))
		r.outputs = append(r.outputs, k...)
		r.outputs = append(r.outputs, v...)
	}
	r.outputs = append(r.outputs, payload...)
	le.PutUint32(r.outputs[at:], uint32(len(r.outputs)-at-4))
	r.count++
}

// end puts the two parts together.
func (r *reply) end() []byte {
	le.PutUint32(r.statuses[4:], r.count)
	r.statuses = append(r.statuses, r.outputs...)
	return r.statuses
}

func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func unixMilli(ms uint64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}
