package wire

// AppendPing appends a PING: the other side answers PONG, or is dead.
func AppendPing(dst []byte) []byte { return appendEmpty(dst, TypePing) }

// AppendPong appends a PONG.
func AppendPong(dst []byte) []byte { return appendEmpty(dst, TypePong) }

func appendEmpty(dst []byte, t Type) []byte {
	dst, frame, body := openFrame(dst, t)
	return closeFrame(dst, frame, body, 0)
}
