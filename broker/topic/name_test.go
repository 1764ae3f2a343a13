package topic

import (
	"testing"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

func TestParseName(t *testing.T) {
	if n, err := ParseName("t-partition-3"); err != nil || n.String() != "persistent://public/default/t-partition-3" || n.Partition != 3 {
		t.Errorf("%+v, %v", n, err)
	}
	for _, bad := range []string{"", "a/b", "topic://a/b/c", "persistent://a//c"} {
		_, err := ParseName(bad)
		refused(t, err, wire.InvalidTopicName, fault.TopicName)
	}
}
