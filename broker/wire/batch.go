package wire

import (
	"encoding/binary"
	"iter"
)

// Single is one message of a batch. Uncompressed, a batch is a row of
//
//	metadata size (4, big endian) | SingleMessageMetadata | payload
//
// Byte slices of a decoded Single point into the batch.
type Single struct {
	PartitionKey []byte // nil: none
	KeyB64       bool
	NullKey      bool
	OrderingKey  []byte // nil: none
	EventTime    int64  // milliseconds; 0: none
	SequenceID   uint64
	HasSequence  bool
	NullValue    bool
	CompactedOut bool
	Payload      []byte

	raw   []byte
	pairs []KeyValue
}

// Properties walks over key and value of each property in order; the slices point into the batch.
func (s *Single) Properties() iter.Seq2[[]byte, []byte] { return properties(s.raw, 1) }

// SetProperties gives the properties that Append writes.
func (s *Single) SetProperties(kv []KeyValue) { s.pairs = kv }

// Decode fills s from the message that the batch begins with; n is how many bytes of the batch it took.
func (s *Single) Decode(batch []byte) (n int, err error) {
	if len(batch) < 4 {
		return 0, malformed("batch", "%d bytes left, too few for a message", len(batch))
	}
	size := binary.BigEndian.Uint32(batch)
	if uint64(size) > uint64(len(batch)-4) {
		return 0, malformed("batch", "message metadata of %d bytes in %d", size, len(batch)-4)
	}
	n = 4 + int(size)
	*s = Single{raw: batch[4:n]}
	f := fields{rest: s.raw}
	payload, sized := int32(0), false
	for f.next() {
		switch f.tag {
		case 1<<3 | blob:
			if _, _, ok := keyValue(f.b); !ok {
				return 0, malformed("SingleMessageMetadata", "a property is no key and value")
			}
		case 2<<3 | blob:
			s.PartitionKey = f.b
		case 3<<3 | varint:
			payload, sized = int32(f.u), true
		case 4<<3 | varint:
			s.CompactedOut = f.u != 0
		case 5<<3 | varint:
			s.EventTime = int64(f.u)
		case 6<<3 | varint:
			s.KeyB64 = f.u != 0
		case 7<<3 | blob:
			s.OrderingKey = f.b
		case 8<<3 | varint:
			s.SequenceID, s.HasSequence = f.u, true
		case 9<<3 | varint:
			s.NullValue = f.u != 0
		case 10<<3 | varint:
			s.NullKey = f.u != 0
		}
	}
	if f.bad || !sized {
		return 0, malformed("SingleMessageMetadata", "not a payload size and what may surround it")
	}
	if payload < 0 || int(payload) > len(batch)-n {
		return 0, malformed("batch", "a message of %d bytes in %d", payload, len(batch)-n)
	}
	s.Payload = batch[n : n+int(payload) : n+int(payload)]
	return n + int(payload), nil
}

// Append appends s to a batch.
func (s *Single) Append(batch []byte) []byte {
	start := len(batch)
	batch = append(batch, 0, 0, 0, 0)
	batch = appendPairs(batch, 1, s.pairs)
	if s.PartitionKey != nil {
		batch = appendBytes(batch, 2, s.PartitionKey)
	}
	batch = appendUint(batch, 3, uint64(len(s.Payload)))
	batch = appendFlag(batch, 4, s.CompactedOut)
	if s.EventTime != 0 {
		batch = appendUint(batch, 5, uint64(s.EventTime))
	}
	batch = appendFlag(batch, 6, s.KeyB64)
	if s.OrderingKey != nil {
		batch = appendBytes(batch, 7, s.OrderingKey)
	}
	if s.HasSequence {
		batch = appendUint(batch, 8, s.SequenceID)
	}
	batch = appendFlag(batch, 9, s.NullValue)
	batch = appendFlag(batch, 10, s.NullKey)
	binary.BigEndian.PutUint32(batch[start:], uint32(len(batch)-start-4))
	return append(batch, s.Payload...)
}

// EachSingle decodes the messages of an uncompressed batch one after the other into s and calls do for each with its index. It
// stops at the first error, be it do's. Bytes behind the last message are ignored, as clients do.
func EachSingle(batch []byte, messages int32, s *Single, do func(i int32) error) error {
	for i := range messages {
		n, err := s.Decode(batch)
		if err != nil {
			return err
		}
		batch = batch[n:]
		if err := do(i); err != nil {
			return err
		}
	}
	return nil
}
