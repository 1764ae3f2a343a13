package wire

// Flow permits the broker to send a consumer so many messages more.
type Flow struct {
	ConsumerID uint64
	Permits    uint32
}

// Decode fills l from the body of a FLOW.
func (l *Flow) Decode(body []byte) error {
	*l = Flow{}
	f := fields{rest: body}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			l.ConsumerID = f.u
			has |= 1
		case 2<<3 | varint:
			l.Permits = uint32(f.u)
			has |= 2
		}
	}
	if f.bad || has != 3 {
		return malformed("FLOW", "not a consumer id and a number of messages")
	}
	return nil
}

// AppendFrame appends the whole frame.
func (l *Flow) AppendFrame(dst []byte) []byte {
	dst, frame, body := openFrame(dst, TypeFlow)
	dst = appendVarint(dst, 1, l.ConsumerID)
	dst = appendVarint(dst, 2, uint64(l.Permits))
	return closeFrame(dst, frame, body, 0)
}
