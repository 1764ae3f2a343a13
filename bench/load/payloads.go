package load

import (
	"github.com/strobemq/strobe/broker/wire"
)

// maxBody is how large an entry may be when it is not compressed.
const maxBody = 64 << 20

// Payloads calls each for the payload of every message of an entry, as a consumer gets it behind the MESSAGE command.
func Payloads(entry []byte, each func([]byte) error) error {
	p, err := wire.ParsePayload(entry)
	if err != nil {
		return err
	}
	var m wire.Metadata
	if err := m.Decode(p.Metadata); err != nil {
		return err
	}
	body := p.Body
	if m.Compression != wire.None {
		if body, err = m.Compression.Decompress(nil, body, m.Uncompressed, maxBody); err != nil {
			return err
		}
	}
	if !m.Batch {
		return each(body)
	}
	var s wire.Single
	return wire.EachSingle(body, m.Messages, &s, func(int32) error { return each(s.Payload) })
}
