package strobe

import (
	"encoding/binary"
	"errors"
	"strings"
	"unicode/utf8"
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
	f := &r.left[0]
	size := int64(get32(f, recordSize)) + 4
	if size < recordFixed || size > int64(len(r.left)) {
		return errFrame
	}
	b := r.left[recordFixed:size]
	r.left = r.left[size:]
	topic, flags := get32(f, recordTopic), get32(f, recordFlags)
	key, props, payload := get32(f, recordKeySize), get32(f, recordProperties), get32(f, recordPayloadSize)
	if int64(topic) >= int64(len(r.topics)) || int64(key)+int64(payload)+int64(props)*propertyFixed > int64(len(b)) {
		return errFrame
	}
	m.Topic = r.topics[topic]
	m.ID.Ledger, m.ID.Entry = int64(get64(f, recordLedger)), int64(get64(f, recordEntry))
	m.ID.Batch, m.ID.Partition = int32(get32(f, recordBatch)), int32(get32(f, recordPartition))
	m.EventTime, m.PublishTime = Millis(get64(f, recordEventTime)), Millis(get64(f, recordPublishTime))
	m.Redelivery = int(get32(f, recordRedelivery))
	m.Null = flags&flagNull != 0
	m.Key, m.Properties = nil, nil
	if flags&flagKey != 0 {
		m.Key = b[:key:key]
	}
	b = b[key:]
	if props != 0 {
		var err error
		if b, err = r.properties(b, props); err != nil {
			return err
		}
		m.Properties = r.props
	}
	if int64(payload) != int64(len(b)) {
		return errFrame
	}
	m.Payload = b[:len(b):len(b)]
	return nil
}

func (r *request) properties(b []byte, n uint32) ([]byte, error) {
	r.props = r.props[:0]
	for range n {
		if len(b) < propertyFixed {
			return nil, errFrame
		}
		k, v := int64(le.Uint32(b)), int64(le.Uint32(b[4:]))
		b = b[propertyFixed:]
		if k+v > int64(len(b)) {
			return nil, errFrame
		}
		text := string(b[:k+v])
		r.props = append(r.props, Property{Key: text[:k], Value: text[k:]})
		b = b[k+v:]
	}
	return b, nil
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
	if status == statusOK {
		var ok [statusFixed]byte
		r.statuses = append(r.statuses, ok[:]...)
		return
	}
	r.outputs, r.count = r.outputs[:r.mark], r.marked
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
	if topic != "" {
		topic, index = validText(topic), namedTopic
	}
	at := len(r.outputs)
	var fixed [outputFixed]byte
	r.outputs = append(r.outputs, fixed[:]...)
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
	f := &r.outputs[at]
	put32(f, outputSize, uint32(len(r.outputs)-at-4))
	put32(f, outputInput, r.input)
	put32(f, outputTopicIndex, index)
	put32(f, outputFlags, flags)
	put64(f, outputEventTime, uint64(max(m.EventTime, 0)))
	put32(f, outputNameSize, uint32(len(topic)))
	put32(f, outputKeySize, uint32(len(m.Key)))
	put32(f, outputProperties, uint32(len(m.Properties)))
	put32(f, outputPayloadSize, uint32(len(payload)))
	r.count++
}

// end puts the two parts together.
func (r *reply) end() []byte {
	le.PutUint32(r.statuses[4:], r.count)
	r.statuses = append(r.statuses, r.outputs...)
	return r.statuses
}

func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
