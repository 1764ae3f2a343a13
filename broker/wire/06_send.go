package wire

// Send announces an entry. On the wire its frame carries the entry behind the command, see Payload.
type Send struct {
	ProducerID uint64
	SequenceID uint64
	// Highest is the sequence id of the last message of a batch; 0: SequenceID counts for all of it.
	Highest     uint64
	NumMessages int32 // at least 1
	Txn         bool  // TxnLeast and TxnMost say which; (0,0) is a transaction too
	TxnLeast    uint64
	TxnMost     uint64
	Chunk       bool
	Marker      bool
	// At is where the entry lay in the cluster it is replicated from; only with Placed.
	At     MessageID
	Placed bool
}

// Decode fills s from the body of a SEND. At has no ack set.
func (s *Send) Decode(body []byte) error {
	*s = Send{NumMessages: 1}
	f := fields{rest: body}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			s.ProducerID = f.u
			has |= 1
		case 2<<3 | varint:
			s.SequenceID = f.u
			has |= 2
		case 3<<3 | varint:
			s.NumMessages = int32(f.u)
		case 4<<3 | varint:
			s.TxnLeast, s.Txn = f.u, true
		case 5<<3 | varint:
			s.TxnMost, s.Txn = f.u, true
		case 6<<3 | varint:
			s.Highest = f.u
		case 7<<3 | varint:
			s.Chunk = f.u != 0
		case 8<<3 | varint:
			s.Marker = f.u != 0
		case 9<<3 | blob:
			if _, err := s.At.decode(f.b, nil); err != nil {
				return err
			}
			s.Placed = true
		}
	}
	if f.bad || has != 3 {
		return malformed("SEND", "not a producer id, a sequence id and what may follow them")
	}
	if s.NumMessages < 1 {
		return malformed("SEND", "%d messages", s.NumMessages)
	}
	return nil
}

// AppendFrame appends the frame's lengths and command; the caller sends payload bytes of the entry behind it.
func (s *Send) AppendFrame(dst []byte, payload int) []byte {
	dst, frame, body := openFrame(dst, TypeSend)
	dst = appendVarint(dst, 1, s.ProducerID)
	dst = appendVarint(dst, 2, s.SequenceID)
	if s.NumMessages > 1 {
		dst = appendVarint(dst, 3, uint64(s.NumMessages))
	}
	if s.Txn {
		dst = appendVarint(dst, 4, s.TxnLeast)
		dst = appendVarint(dst, 5, s.TxnMost)
	}
	if s.Highest != 0 {
		dst = appendVarint(dst, 6, s.Highest)
	}
	if s.Chunk {
		dst = appendVarint(dst, 7, 1)
	}
	if s.Marker {
		dst = appendVarint(dst, 8, 1)
	}
	if s.Placed {
		dst = s.At.append(dst, 9)
	}
	return closeFrame(dst, frame, body, payload)
}
