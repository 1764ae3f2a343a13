package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
)

// BrokerEntry is what a broker writes before an entry:
//
//	0x0e 0x02 | size (4) | BrokerEntryMetadata
type BrokerEntry struct {
	Timestamp int64 // milliseconds, when the broker took the entry
	// Index counts the topic's messages: it is that of the entry's last one, so that a batch's first has Index - messages + 1.
	Index        int64
	HasTimestamp bool
	HasIndex     bool
}

// BrokerEntryMax is the most bytes Append adds.
const BrokerEntryMax = 6 + 2*(1+10)

// Append appends the encoded metadata, with what it has.
func (e BrokerEntry) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, 0x0e, 0x02, 0, 0, 0, 0)
	if e.HasTimestamp {
		dst = protowire.AppendVarint(append(dst, 1<<3), uint64(e.Timestamp))
	}
	if e.HasIndex {
		dst = protowire.AppendVarint(append(dst, 2<<3), uint64(e.Index))
	}
	binary.BigEndian.PutUint32(dst[start+2:], uint32(len(dst)-start-6))
	return dst
}

// CutBrokerEntry cuts the broker's metadata off a stored entry: rest is what the producer sent. Without such metadata rest is
// all of b and found is false.
func CutBrokerEntry(b []byte) (e BrokerEntry, rest []byte, found bool, err error) {
	if len(b) < 6 || binary.BigEndian.Uint16(b) != magicBrokerEntry {
		return BrokerEntry{}, b, false, nil
	}
	size := binary.BigEndian.Uint32(b[2:])
	if uint64(size) > uint64(len(b)-6) {
		return BrokerEntry{}, nil, false, malformed("BrokerEntryMetadata", "%d bytes in %d", size, len(b)-6)
	}
	f := fields{rest: b[6 : 6+size]}
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			e.Timestamp, e.HasTimestamp = int64(f.u), true
		case 2<<3 | varint:
			e.Index, e.HasIndex = int64(f.u), true
		}
	}
	if f.bad {
		return BrokerEntry{}, nil, false, malformed("BrokerEntryMetadata", "not a protobuf message")
	}
	return e, b[6+size:], true, nil
}

// BrokerEntrySize is how many bytes of a stored entry are the broker's metadata; 0 when there is none or it is damaged.
func BrokerEntrySize(b []byte) int {
	if len(b) < 6 || binary.BigEndian.Uint16(b) != magicBrokerEntry {
		return 0
	}
	size := binary.BigEndian.Uint32(b[2:])
	if uint64(size) > uint64(len(b)-6) {
		return 0
	}
	return 6 + int(size)
}
