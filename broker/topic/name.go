package topic

import (
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

// Name is a topic's full name taken apart.
type Name = topicname.Name

// ParseName reads a topic name, see topicname.Parse; the error is a *Refusal.
func ParseName(s string) (Name, error) {
	n, err := topicname.Parse(s)
	if err != nil {
		e, ok := fault.Of(err)
		if !ok {
			e = fault.TopicName.New("%w", err)
		}
		return Name{}, &Refusal{Code: wire.InvalidTopicName, Err: e}
	}
	return n, nil
}
