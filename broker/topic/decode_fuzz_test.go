package topic

import (
	"testing"

	"github.com/strobemq/strobe/broker/wire"
)

func FuzzDecode(f *testing.F) {
	m := wire.Metadata{ProducerName: []byte("p"), SequenceID: 1, PublishTime: 2, Messages: 3, Batch: true}
	entry := wire.AppendPayload(nil, &m, []byte("body"))
	f.Add(entry)
	f.Add(append(wire.BrokerEntry{Timestamp: 1, Index: 2, HasTimestamp: true, HasIndex: true}.Append(nil), entry...))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m wire.Metadata
		if decode(payload, &m) == nil && m.Messages < 0 {
			t.Errorf("%d messages", m.Messages)
		}
	})
}
