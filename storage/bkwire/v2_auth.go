package bkwire

// authDisabled is the plugin name with which a bookie that asks for no authentication answers a client that offers some
// (interop §1.11).
const authDisabled = "AuthDisabledPlugin"

// AppendAuthDisabled appends the answer to AUTH of a bookie without authentication: the client may go on.
func AppendAuthDisabled(dst []byte, version uint8) []byte {
	message := appendBytes(appendBytes(nil, 1, []byte(authDisabled)), 2, nil)
	return append(appendPacket(dst, version, OpAuth, 0, len(message)), message...)
}

// MaxAuthDisabled is no less than the size of what AppendAuthDisabled appends.
const MaxAuthDisabled = lengthLen + packetLen + 32

// helloPlugin is the plugin name under which a client says which bookie it looks for. Addresses are used again: a bookie that was born on
// an emptied volume stands where the lost one stood, knows nothing of its entries, and must not answer for it. Apache's bookies, whose id is
// their address as a rule, answer as to any client that offers authentication where none is asked for: it may go on.
const helloPlugin = "strobe.bookie"

// AppendHello appends the first request on a connection, an AUTH that names the bookie that is looked for. There is nothing to wait for: a
// bookie of another id ends the connection before it looks at what follows.
func AppendHello(dst []byte, bookie string) []byte {
	message := appendBytes(appendBytes(nil, 1, []byte(helloPlugin)), 2, []byte(bookie))
	return append(appendPacket(dst, V2, OpAuth, 0, len(message)), message...)
}

// MaxHello is no less than the size of what AppendHello appends for a valid id.
const MaxHello = lengthLen + packetLen + 32 + 255

// DecodeHello is which bookie a frame with an AUTH asks for, without its length prefix; false when it asks for none. It keeps no part
// of the frame.
func DecodeHello(frame []byte) (bookie string, ok bool) {
	if len(frame) < packetLen || len(frame) > MaxHello {
		return "", false
	}
	plugin := ""
	err := eachField(frame[packetLen:], func(f field) error {
		switch f.num {
		case 1:
			plugin = string(f.bytes)
		case 2:
			bookie = string(f.bytes)
		}
		return nil
	})
	return bookie, err == nil && plugin == helloPlugin
}
