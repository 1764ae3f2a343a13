package wire

import (
	"iter"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Metadata is the MessageMetadata of an entry. Decode fills everything but the properties and encryption keys, which stay encoded
// until somebody walks over them. Byte slices point into the decoded bytes.
//
// To encode, fill a Metadata (SetProperties for properties) and call Append.
type Metadata struct {
	ProducerName []byte
	SequenceID   uint64
	Highest      uint64 // highest_sequence_id; 0: none, SequenceID counts for all of a batch
	PublishTime  int64  // milliseconds
	EventTime    int64  // milliseconds; 0: none

	// Batch says that the body is a batch of Messages messages, be it one. Without it Messages is 1.
	Batch    bool
	Messages int32

	PartitionKey []byte // nil: none
	KeyB64       bool   // PartitionKey is base64 of the key
	NullKey      bool
	OrderingKey  []byte // nil: none
	NullValue    bool

	Compression  Compression
	Uncompressed uint32 // size of the body before compression

	SchemaVersion []byte // nil: none

	// Chunks is in how many entries a large message lies; 0: it is not chunked.
	Chunks    int32
	ChunkID   int32
	ChunkSize int32 // total size of the chunked message
	UUID      []byte

	DeliverAt int64 // milliseconds; 0: at once
	Marker    int32 // marker_type; 0: an ordinary entry

	Txn      bool // TxnLeast and TxnMost are set
	TxnLeast uint64
	TxnMost  uint64

	ReplicatedFrom []byte
	Encrypted      bool // encryption keys are there

	raw        []byte
	properties int // how many
	pairs      []KeyValue
}

// KeyValue is one property.
type KeyValue struct {
	Key   string
	Value string
}

// Decode fills m from an encoded MessageMetadata. Property lists that are malformed make it fail, so that walking over them later
// cannot.
func (m *Metadata) Decode(b []byte) error {
	*m = Metadata{Messages: 1, raw: b}
	f := fields{rest: b}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | blob:
			m.ProducerName = f.b
			has |= 1
		case 2<<3 | varint:
			m.SequenceID = f.u
			has |= 2
		case 3<<3 | varint:
			m.PublishTime = int64(f.u)
			has |= 4
		case 4<<3 | blob:
			if _, _, ok := keyValue(f.b); !ok {
				return malformed("MessageMetadata", "property %d is no key and value", m.properties)
			}
			m.properties++
		case 5<<3 | blob:
			m.ReplicatedFrom = f.b
		case 6<<3 | blob:
			m.PartitionKey = f.b
		case 8<<3 | varint:
			m.Compression = Compression(min(f.u, math.MaxUint8))
		case 9<<3 | varint:
			m.Uncompressed = uint32(f.u)
		case 11<<3 | varint:
			m.Messages, m.Batch = int32(f.u), true
		case 12<<3 | varint:
			m.EventTime = int64(f.u)
		case 13<<3 | blob:
			m.Encrypted = true
		case 16<<3 | blob:
			m.SchemaVersion = f.b
		case 17<<3 | varint:
			m.KeyB64 = f.u != 0
		case 18<<3 | blob:
			m.OrderingKey = f.b
		case 19<<3 | varint:
			m.DeliverAt = int64(f.u)
		case 20<<3 | varint:
			m.Marker = int32(f.u)
		case 22<<3 | varint:
			m.TxnLeast, m.Txn = f.u, true
		case 23<<3 | varint:
			m.TxnMost, m.Txn = f.u, true
		case 24<<3 | varint:
			m.Highest = f.u
		case 25<<3 | varint:
			m.NullValue = f.u != 0
		case 26<<3 | blob:
			m.UUID = f.b
		case 27<<3 | varint:
			m.Chunks = int32(f.u)
		case 28<<3 | varint:
			m.ChunkSize = int32(f.u)
		case 29<<3 | varint:
			m.ChunkID = int32(f.u)
		case 30<<3 | varint:
			m.NullKey = f.u != 0
		}
	}
	if f.bad || has != 7 {
		return malformed("MessageMetadata", "not a producer name, a sequence id, a publish time and what may follow them")
	}
	if m.Messages < 0 {
		return malformed("MessageMetadata", "a batch of %d messages", m.Messages)
	}
	return nil
}

// Properties walks over key and value of each property in order; the slices point into the decoded bytes.
func (m *Metadata) Properties() iter.Seq2[[]byte, []byte] {
	return properties(m.raw, 4)
}

// NumProperties is how many properties were decoded.
func (m *Metadata) NumProperties() int { return m.properties }

// SetProperties gives the properties that Append writes.
func (m *Metadata) SetProperties(kv []KeyValue) { m.pairs = kv }

func properties(raw []byte, number uint64) iter.Seq2[[]byte, []byte] {
	return func(yield func(k, v []byte) bool) {
		for f := (fields{rest: raw}); f.next(); {
			if f.tag != number<<3|blob {
				continue
			}
			if k, v, ok := keyValue(f.b); ok && !yield(k, v) {
				return
			}
		}
	}
}

func keyValue(b []byte) (k, v []byte, ok bool) {
	f := fields{rest: b}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | blob:
			k = f.b
			has |= 1
		case 2<<3 | blob:
			v = f.b
			has |= 2
		}
	}
	return k, v, !f.bad && has == 3
}

// Append appends m encoded, in the order of the field numbers. Only what the struct holds is written: encryption keys and other
// fields of a decoded Metadata are lost.
func (m *Metadata) Append(dst []byte) []byte {
	dst = appendBytes(dst, 1, m.ProducerName)
	dst = appendUint(dst, 2, m.SequenceID)
	dst = appendUint(dst, 3, uint64(m.PublishTime))
	dst = appendPairs(dst, 4, m.pairs)
	if m.ReplicatedFrom != nil {
		dst = appendBytes(dst, 5, m.ReplicatedFrom)
	}
	if m.PartitionKey != nil {
		dst = appendBytes(dst, 6, m.PartitionKey)
	}
	if m.Compression != None {
		dst = appendUint(dst, 8, uint64(m.Compression))
	}
	if m.Uncompressed != 0 {
		dst = appendUint(dst, 9, uint64(m.Uncompressed))
	}
	if m.Batch {
		dst = appendUint(dst, 11, uint64(m.Messages))
	}
	if m.EventTime != 0 {
		dst = appendUint(dst, 12, uint64(m.EventTime))
	}
	if m.SchemaVersion != nil {
		dst = appendBytes(dst, 16, m.SchemaVersion)
	}
	dst = appendFlag(dst, 17, m.KeyB64)
	if m.OrderingKey != nil {
		dst = appendBytes(dst, 18, m.OrderingKey)
	}
	if m.DeliverAt != 0 {
		dst = appendUint(dst, 19, uint64(m.DeliverAt))
	}
	if m.Marker != 0 {
		dst = appendUint(dst, 20, uint64(int64(m.Marker)))
	}
	if m.Txn {
		dst = appendUint(dst, 22, m.TxnLeast)
		dst = appendUint(dst, 23, m.TxnMost)
	}
	if m.Highest != 0 {
		dst = appendUint(dst, 24, m.Highest)
	}
	dst = appendFlag(dst, 25, m.NullValue)
	if m.UUID != nil {
		dst = appendBytes(dst, 26, m.UUID)
	}
	if m.Chunks != 0 {
		dst = appendUint(dst, 27, uint64(m.Chunks))
		dst = appendUint(dst, 28, uint64(m.ChunkSize))
		dst = appendUint(dst, 29, uint64(m.ChunkID))
	}
	return appendFlag(dst, 30, m.NullKey)
}

func appendUint(dst []byte, number protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.VarintType), v)
}

func appendBytes(dst []byte, number protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, number, protowire.BytesType), v)
}

func appendFlag(dst []byte, number protowire.Number, v bool) []byte {
	if !v {
		return dst
	}
	return appendUint(dst, number, 1)
}

func appendPairs(dst []byte, number protowire.Number, pairs []KeyValue) []byte {
	for i := range pairs {
		k, v := pairs[i].Key, pairs[i].Value
		size := 2 + protowire.SizeBytes(len(k)) + protowire.SizeBytes(len(v))
		dst = protowire.AppendVarint(protowire.AppendTag(dst, number, protowire.BytesType), uint64(size))
		dst = protowire.AppendString(append(dst, 1<<3|2), k)
		dst = protowire.AppendString(append(dst, 2<<3|2), v)
	}
	return dst
}
