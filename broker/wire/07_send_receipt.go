package wire

// SendReceipt acknowledges a SEND: its entry is durable at Message, or it was a duplicate of one that is (then Message is
// NoMessageID).
type SendReceipt struct {
	ProducerID uint64
	SequenceID uint64
	Highest    uint64 // as in the SEND
	Message    MessageID
}

// Decode fills r from the body of a SEND_RECEIPT.
func (r *SendReceipt) Decode(body []byte) error {
	*r = SendReceipt{Message: NoMessageID}
	f := fields{rest: body}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			r.ProducerID = f.u
			has |= 1
		case 2<<3 | varint:
			r.SequenceID = f.u
			has |= 2
		case 3<<3 | blob:
			if _, err := r.Message.decode(f.b, nil); err != nil {
				return err
			}
		case 4<<3 | varint:
			r.Highest = f.u
		}
	}
	if f.bad || has != 3 {
		return malformed("SEND_RECEIPT", "not a producer id, a sequence id and what may follow them")
	}
	return nil
}

// AppendFrame appends the whole frame.
func (r *SendReceipt) AppendFrame(dst []byte) []byte {
	dst, frame, body := openFrame(dst, TypeSendReceipt)
	dst = appendVarint(dst, 1, r.ProducerID)
	dst = appendVarint(dst, 2, r.SequenceID)
	dst = r.Message.append(dst, 3)
	if r.Highest != 0 {
		dst = appendVarint(dst, 4, r.Highest)
	}
	return closeFrame(dst, frame, body, 0)
}
