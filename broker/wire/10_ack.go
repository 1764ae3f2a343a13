package wire

// Ack acknowledges messages of one consumer: each of IDs, or (Cumulative) everything up to IDs[0]. An ID with an ack set
// acknowledges the messages of a batch whose bits are 0.
type Ack struct {
	ConsumerID uint64
	Cumulative bool
	IDs        []MessageID
	// Invalid says that the consumer could not read the messages; Validation then says why, by the protocol's numbers.
	Invalid    bool
	Validation int32
	Txn        bool // TxnLeast and TxnMost say which; (0,0) is a transaction too
	TxnLeast   uint64
	TxnMost    uint64
	RequestID  uint64
	HasRequest bool // the client waits for an ACK_RESPONSE

	words []int64 // what the ack sets are slices of
}

// maxAckIDs is how many ids one ACK may have; clients send up to a thousand.
const maxAckIDs = 1 << 16

// Decode fills a from the body of an ACK. It uses the memory of a's slices again: once they have grown it allocates nothing, and
// whoever keeps IDs or an ack set beyond the next Decode copies them.
func (a *Ack) Decode(body []byte) error {
	ids, words := a.IDs[:0], a.words[:0]
	if cap(ids) > 4096 || cap(words) > 4096 { // one rare giant must not stay for good
		ids, words = nil, nil
	}
	*a = Ack{}
	f := fields{rest: body}
	var has uint8
	for f.next() {
		switch f.tag {
		case 1<<3 | varint:
			a.ConsumerID = f.u
			has |= 1
		case 2<<3 | varint:
			if f.u > 1 {
				return malformed("ACK", "acknowledgement type %d", f.u)
			}
			a.Cumulative = f.u == 1
			has |= 2
		case 3<<3 | blob:
			if len(ids) == maxAckIDs {
				return malformed("ACK", "more than %d message ids", maxAckIDs)
			}
			ids = append(ids, MessageID{})
			id := &ids[len(ids)-1]
			before := len(words)
			var err error
			if words, err = id.decode(f.b, words); err != nil {
				return err
			}
			if n := len(words) - before; n > 0 {
				id.AckSet = words[before:] // only the length counts: words may still move
			}
		case 4<<3 | varint:
			a.Invalid, a.Validation = true, int32(f.u)
		case 6<<3 | varint:
			a.TxnLeast, a.Txn = f.u, true
		case 7<<3 | varint:
			a.TxnMost, a.Txn = f.u, true
		case 8<<3 | varint:
			a.RequestID, a.HasRequest = f.u, true
		}
	}
	at := 0
	for i := range ids {
		if n := len(ids[i].AckSet); n > 0 {
			ids[i].AckSet = words[at : at+n : at+n]
			at += n
		}
	}
	a.IDs, a.words = ids, words
	if f.bad || has != 3 {
		return malformed("ACK", "not a consumer id, a type and what may follow them")
	}
	return nil
}

// AppendFrame appends the whole frame.
func (a *Ack) AppendFrame(dst []byte) []byte {
	dst, frame, body := openFrame(dst, TypeAck)
	dst = appendVarint(dst, 1, a.ConsumerID)
	kind := uint64(0)
	if a.Cumulative {
		kind = 1
	}
	dst = appendVarint(dst, 2, kind)
	for i := range a.IDs {
		dst = a.IDs[i].append(dst, 3)
	}
	if a.Invalid {
		dst = appendVarint(dst, 4, uint64(int64(a.Validation)))
	}
	if a.Txn {
		dst = appendVarint(dst, 6, a.TxnLeast)
		dst = appendVarint(dst, 7, a.TxnMost)
	}
	if a.HasRequest {
		dst = appendVarint(dst, 8, a.RequestID)
	}
	return closeFrame(dst, frame, body, 0)
}
