package wire

import "google.golang.org/protobuf/encoding/protowire"

// MessageID is an entry's place, and perhaps a message's in it. The zero value is entry 0 of ledger 0; use NoMessageID to start.
type MessageID struct {
	Ledger     int64
	Entry      int64
	Partition  int32   // -1: none
	BatchIndex int32   // -1: the whole entry
	BatchSize  int32   // 0: not said
	AckSet     []int64 // bits of batch indexes not acknowledged yet; nil: none was sent
}

// NoMessageID is the place before everything, (-1,-1), with nothing else said.
var NoMessageID = MessageID{Ledger: -1, Entry: -1, Partition: -1, BatchIndex: -1}

// decode fills id, appends its ack set to words and returns words; id.AckSet is left to the caller, who knows when words has stopped
// growing.
func (id *MessageID) decode(b []byte, words []int64) ([]int64, error) {
	*id = MessageID{Partition: -1, BatchIndex: -1}
	f := fields{rest: b}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			id.Ledger = int64(f.u)
			has |= 1
		case 2<<3 | varint:
			id.Entry = int64(f.u)
			has |= 2
		case 3<<3 | varint:
			id.Partition = int32(f.u)
		case 4<<3 | varint:
			id.BatchIndex = int32(f.u)
		case 5<<3 | varint:
			words = append(words, int64(f.u))
		case 5<<3 | blob:
			for p := f.b; len(p) > 0; {
				v, n := uvarint(p)
				if n <= 0 {
					return words, malformed("MessageId", "the packed ack set is cut off")
				}
				words = append(words, int64(v))
				p = p[n:]
			}
		case 6<<3 | varint:
			id.BatchSize = int32(f.u)
		}
	}
	if f.bad || has != 3 {
		return words, malformed("MessageId", "not two ids and what may follow them")
	}
	return words, nil
}

// append writes id as field number of the message being built.
func (id *MessageID) append(dst []byte, number byte) []byte {
	dst, mark := openMessage(dst, number)
	dst = appendVarint(dst, 1, uint64(id.Ledger))
	dst = appendVarint(dst, 2, uint64(id.Entry))
	if id.Partition != -1 {
		dst = appendVarint(dst, 3, uint64(int64(id.Partition)))
	}
	if id.BatchIndex != -1 {
		dst = appendVarint(dst, 4, uint64(int64(id.BatchIndex)))
	}
	dst = appendWords(dst, 5, id.AckSet)
	if id.BatchSize != 0 {
		dst = appendVarint(dst, 6, uint64(int64(id.BatchSize)))
	}
	return closeMessage(dst, mark)
}

func appendWords(dst []byte, number byte, words []int64) []byte {
	for _, w := range words {
		dst = protowire.AppendVarint(append(dst, number<<3), uint64(w))
	}
	return dst
}
