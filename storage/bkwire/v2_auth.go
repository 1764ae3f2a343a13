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
