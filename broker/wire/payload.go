package wire

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// An entry as a producer sends it and as it is stored, big endian:
//
//	optional  0x0e 0x01 | crc32c (4)          checksum of all that follows, Castagnoli
//	          metadata size (4) | MessageMetadata | payload to the end
//
// A broker may put its own metadata before it (BrokerEntry); that lies outside the checksum.

const (
	magicChecksum    = 0x0e01
	magicBrokerEntry = 0x0e02
	checksumHeader   = 6
)

// ErrChecksum says that an entry does not have the checksum it carries.
var ErrChecksum = errors.New("entry checksum mismatch")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Payload is a producer's entry cut into its parts, which point into what was parsed.
type Payload struct {
	Checked  []byte // what the checksum covers: from the metadata size to the end
	Metadata []byte // the encoded MessageMetadata, see Metadata.Decode
	Body     []byte // the message, or the batch: compressed and encrypted as the metadata says

	Checksum    uint32
	HasChecksum bool // very old clients send none
}

// ParsePayload cuts what follows a SEND or MESSAGE command; broker entry metadata must have been cut off before (CutBrokerEntry). It
// does not compute the checksum.
func ParsePayload(b []byte) (Payload, error) {
	var p Payload
	if len(b) >= checksumHeader && binary.BigEndian.Uint16(b) == magicChecksum {
		p.Checksum, p.HasChecksum = binary.BigEndian.Uint32(b[2:]), true
		b = b[checksumHeader:]
	}
	if len(b) < 4 {
		return Payload{}, malformed("entry", "%d bytes, too short for the size of its metadata", len(b))
	}
	size := binary.BigEndian.Uint32(b)
	if uint64(size) > uint64(len(b)-4) {
		return Payload{}, malformed("entry", "metadata of %d bytes in %d", size, len(b)-4)
	}
	p.Checked = b
	p.Metadata = b[4 : 4+size : 4+size]
	p.Body = b[4+size:]
	return p, nil
}

// Verify computes the checksum; nil when it holds or there is none, else ErrChecksum.
func (p *Payload) Verify() error {
	if p.HasChecksum && crc32.Checksum(p.Checked, castagnoli) != p.Checksum {
		return ErrChecksum
	}
	return nil
}

// AppendPayload appends an entry: checksum, metadata, body.
func AppendPayload(dst []byte, m *Metadata, body []byte) []byte {
	start := len(dst)
	dst = append(dst, 0x0e, 0x01, 0, 0, 0, 0, 0, 0, 0, 0)
	dst = m.Append(dst)
	binary.BigEndian.PutUint32(dst[start+checksumHeader:], uint32(len(dst)-start-checksumHeader-4))
	dst = append(dst, body...)
	binary.BigEndian.PutUint32(dst[start+2:], crc32.Checksum(dst[start+checksumHeader:], castagnoli))
	return dst
}
