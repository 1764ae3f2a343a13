package subscription

import "github.com/strobemq/strobe/broker/wire"

// peek decodes an entry's metadata into m. Metadata that cannot be read counts as that of one message without a key: the entry is
// the client's to judge.
func peek(payload []byte, m *wire.Metadata) {
	_, rest, _, err := wire.CutBrokerEntry(payload)
	if err == nil {
		var p wire.Payload
		if p, err = wire.ParsePayload(rest); err == nil {
			err = m.Decode(p.Metadata)
		}
	}
	if err != nil {
		*m = wire.Metadata{Messages: 1}
	}
	m.Messages = max(m.Messages, 1)
}
