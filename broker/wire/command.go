package wire

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// DecodeBody fills m, the pb message of the command's type, from the command's body (see Split).
func DecodeBody(t Type, body []byte, m proto.Message) error {
	if err := proto.Unmarshal(body, m); err != nil {
		return malformed(t.String(), "%v", err)
	}
	return nil
}

// AppendCommand appends the whole frame of a command whose body is m. It panics when m lacks a required field, which is a mistake of
// the caller and of nobody outside.
func AppendCommand(dst []byte, t Type, m proto.Message) []byte {
	frame := len(dst)
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, 1<<3, byte(t))
	dst = appendTag(dst, t)
	o := proto.MarshalOptions{}
	dst = protowire.AppendVarint(dst, uint64(o.Size(m)))
	o.UseCachedSize = true
	dst, err := o.MarshalAppend(dst, m)
	if err != nil {
		panic("wire: " + t.String() + ": " + err.Error())
	}
	command := len(dst) - frame - frameHeader
	binary.BigEndian.PutUint32(dst[frame:], uint32(4+command))
	binary.BigEndian.PutUint32(dst[frame+4:], uint32(command))
	return dst
}
