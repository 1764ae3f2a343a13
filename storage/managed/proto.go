package managed

import (
	"errors"
	"maps"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// The metadata messages are coded by hand over protowire: they are small, and unknown fields are kept in the bytes they came in.

var errProto = errors.New("malformed protobuf")

// field is one field of a message: num for varints, data for length-delimited ones. raw is tag and value as they stood.
type field struct {
	number protowire.Number
	kind   protowire.Type
	num    uint64
	data   []byte
	raw    []byte
}

// fields calls on for each field of a message, in order. data and raw are parts of b.
func fields(b []byte, on func(field) error) error {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errProto
		}
		f := field{number: number, kind: kind}
		var m int
		switch kind {
		case protowire.VarintType:
			f.num, m = protowire.ConsumeVarint(b[n:])
		case protowire.BytesType:
			f.data, m = protowire.ConsumeBytes(b[n:])
		default:
			m = protowire.ConsumeFieldValue(number, kind, b[n:])
		}
		if m < 0 {
			return errProto
		}
		f.raw = b[:n+m]
		b = b[n+m:]
		if err := on(f); err != nil {
			return err
		}
	}
	return nil
}

// is reports whether f has this number and kind; a known number with another kind is treated as unknown.
func (f field) is(number protowire.Number, kind protowire.Type) bool {
	return f.number == number && f.kind == kind
}

func appendInt(b []byte, number protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), uint64(v))
}

func appendBytes(b []byte, number protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), v)
}

func appendString(b []byte, number protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), v)
}

// appendPacked reads a repeated int64 that may have come packed or not.
func appendPacked(vs []int64, f field) ([]int64, error) {
	if f.kind == protowire.VarintType {
		return append(vs, int64(f.num)), nil
	}
	if f.kind != protowire.BytesType {
		return nil, errProto
	}
	for b := f.data; len(b) > 0; {
		v, n := protowire.ConsumeVarint(b)
		if n < 0 {
			return nil, errProto
		}
		vs = append(vs, int64(v))
		b = b[n:]
	}
	return vs, nil
}

// sortedKeys makes encoding a map deterministic, so that a value whose write had an unknown result is recognised by its bytes.
func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
