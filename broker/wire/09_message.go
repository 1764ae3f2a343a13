package wire

// Message announces an entry to a consumer. On the wire its frame carries the entry behind the command, see Payload; before it
// stands the broker entry metadata if the client asked for that at CONNECT.
type Message struct {
	ConsumerID uint64
	ID         MessageID // without an ack set
	Redelivery uint32
	AckSet     []int64 // bits of batch indexes still to be consumed; nil: all
	Epoch      uint64  // the consumer's epoch; only with HasEpoch
	HasEpoch   bool
}

// Decode fills m from the body of a MESSAGE. The ack set is appended to m.AckSet[:0], so that a Message used again allocates
// nothing.
func (m *Message) Decode(body []byte) error {
	words := m.AckSet[:0]
	*m = Message{ID: NoMessageID}
	f := fields{rest: body}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			m.ConsumerID = f.u
			has |= 1
		case 2<<3 | blob:
			if _, err := m.ID.decode(f.b, nil); err != nil {
				return err
			}
			has |= 2
		case 3<<3 | varint:
			m.Redelivery = uint32(f.u)
		case 4<<3 | varint:
			words = append(words, int64(f.u))
		case 4<<3 | blob:
			for p := f.b; len(p) > 0; {
				v, n := uvarint(p)
				if n <= 0 {
					return malformed("MESSAGE", "the packed ack set is cut off")
				}
				words = append(words, int64(v))
				p = p[n:]
			}
		case 5<<3 | varint:
			m.Epoch, m.HasEpoch = f.u, true
		}
	}
	m.AckSet = words
	if f.bad || has != 3 {
		return malformed("MESSAGE", "not a consumer id, a message id and what may follow them")
	}
	return nil
}

// AppendFrame appends the frame's lengths and command; the caller sends payload bytes of the entry behind it.
func (m *Message) AppendFrame(dst []byte, payload int) []byte {
	dst, frame, body := openFrame(dst, TypeMessage)
	dst = appendVarint(dst, 1, m.ConsumerID)
	dst = m.ID.append(dst, 2)
	if m.Redelivery != 0 {
		dst = appendVarint(dst, 3, uint64(m.Redelivery))
	}
	dst = appendWords(dst, 4, m.AckSet)
	if m.HasEpoch {
		dst = appendVarint(dst, 5, m.Epoch)
	}
	return closeFrame(dst, frame, body, payload)
}
