package bkwire

import (
	"bytes"
	"fmt"

	"github.com/strobemq/strobe/storage/bk"
	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of LedgerMetadataFormat.
const (
	fieldWriteQuorum = 1
	fieldEnsemble    = 2
	fieldLength      = 3
	fieldLast        = 4
	fieldState       = 5
	fieldSegment     = 6
	fieldDigest      = 7
	fieldPassword    = 8
	fieldAckQuorum   = 9
	fieldCTime       = 10
	fieldCustom      = 11
	fieldToken       = 12

	fieldSegmentMember = 1
	fieldSegmentFirst  = 2

	fieldCustomKey   = 1
	fieldCustomValue = 2
)

// appendBinary appends format version 3: a length, then the message, with the fields that Apache's writer writes, in its
// order.
func (m *Metadata) appendBinary(dst []byte) []byte {
	var b []byte
	b = appendVarint(b, fieldWriteQuorum, int64(m.Quorum.Write))
	b = appendVarint(b, fieldEnsemble, int64(m.Quorum.Ensemble))
	length, last := int64(0), bk.NoEntry
	if m.State == Closed {
		length, last = m.Length, m.Last
	}
	b = appendVarint(b, fieldLength, length)
	b = appendVarint(b, fieldLast, last)
	b = appendVarint(b, fieldState, int64(m.State))
	for _, s := range m.Segments {
		b = appendBytes(b, fieldSegment, s.append(nil))
	}
	b = appendVarint(b, fieldDigest, int64(m.Digest))
	b = appendBytes(b, fieldPassword, m.Password)
	b = appendVarint(b, fieldAckQuorum, int64(m.Quorum.Ack))
	if m.CTime != 0 {
		b = appendVarint(b, fieldCTime, m.CTime)
	}
	for _, c := range m.Custom {
		pair := appendBytes(nil, fieldCustomKey, []byte(c.Key))
		pair = appendBytes(pair, fieldCustomValue, c.Value)
		b = appendBytes(b, fieldCustom, pair)
	}
	b = appendVarint(b, fieldToken, m.Token)
	b = append(b, m.unknown...)
	return protowire.AppendBytes(dst, b)
}

func (s *Segment) append(dst []byte) []byte {
	for _, b := range s.Bookies {
		dst = appendBytes(dst, fieldSegmentMember, []byte(b))
	}
	return appendVarint(dst, fieldSegmentFirst, s.First)
}

func appendVarint(dst []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, field, protowire.VarintType), uint64(v))
}

func appendBytes(dst []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(dst, field, protowire.BytesType), v)
}

func (m *Metadata) decodeBinary(data []byte) error {
	body, n := protowire.ConsumeBytes(data)
	if n < 0 {
		return protowire.ParseError(n)
	}
	err := eachField(body, func(f field) error {
		switch f.num {
		case fieldWriteQuorum:
			m.Quorum.Write = f.small()
		case fieldEnsemble:
			m.Quorum.Ensemble = f.small()
		case fieldLength:
			m.Length = f.varint
		case fieldLast:
			m.Last = f.varint
		case fieldState:
			m.State = State(f.small())
		case fieldSegment:
			if len(m.Segments) == maxSegments {
				return fmt.Errorf("more than %d segments", maxSegments)
			}
			s, err := decodeSegment(f.bytes)
			m.Segments = append(m.Segments, s)
			return err
		case fieldDigest:
			m.Digest = bk.Digest(f.small())
		case fieldPassword:
			m.Password = bytes.Clone(f.bytes)
		case fieldAckQuorum:
			m.Quorum.Ack = f.small()
		case fieldCTime:
			m.CTime = f.varint
		case fieldCustom:
			c, err := decodeCustom(f.bytes)
			m.Custom = append(m.Custom, c)
			return err
		case fieldToken:
			m.Token = f.varint
		default:
			m.unknown = append(m.unknown, f.raw...)
		}
		return nil
	})
	if m.Quorum.Ack == 0 { // written before there were ack quorums
		m.Quorum.Ack = m.Quorum.Write
	}
	return err
}

func decodeSegment(data []byte) (Segment, error) {
	var s Segment
	err := eachField(data, func(f field) error {
		switch f.num {
		case fieldSegmentMember:
			if len(s.Bookies) == MaxEnsemble || len(f.bytes) > maxBookieName {
				return fmt.Errorf("a segment of more than %d bookies, or a bookie id of %d bytes", MaxEnsemble, len(f.bytes))
			}
			s.Bookies = append(s.Bookies, string(f.bytes))
		case fieldSegmentFirst:
			s.First = f.varint
		}
		return nil
	})
	return s, err
}

func decodeCustom(data []byte) (Custom, error) {
	var c Custom
	err := eachField(data, func(f field) error {
		switch f.num {
		case fieldCustomKey:
			c.Key = string(f.bytes)
		case fieldCustomValue:
			c.Value = bytes.Clone(f.bytes)
		}
		return nil
	})
	return c, err
}

// field is one field of a message.
type field struct {
	num    protowire.Number
	varint int64
	bytes  []byte
	raw    []byte // all of it, with its tag
}

// small is the value of a field that holds a small number; what is out of range becomes -1, which no check lets through.
func (f *field) small() int {
	if f.varint < 0 || f.varint > 1<<31-1 {
		return -1
	}
	return int(f.varint)
}

// eachField calls on for each field of a message; bytes and raw are parts of data.
func eachField(data []byte, on func(field) error) error {
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return protowire.ParseError(n)
		}
		f := field{num: num}
		m := 0
		switch typ {
		case protowire.VarintType:
			var v uint64
			v, m = protowire.ConsumeVarint(data[n:])
			f.varint = int64(v)
		case protowire.BytesType:
			f.bytes, m = protowire.ConsumeBytes(data[n:])
		default:
			m = protowire.ConsumeFieldValue(num, typ, data[n:])
		}
		if m < 0 {
			return protowire.ParseError(m)
		}
		f.raw = data[:n+m]
		if err := on(f); err != nil {
			return err
		}
		data = data[n+m:]
	}
	return nil
}
