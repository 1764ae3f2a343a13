package policy

import (
	"context"

	"github.com/strobemq/strobe/broker/topicname"
)

// topicPolicyKey: the partitions of a topic share its policies.
func topicPolicyKey(n topicname.Name) string {
	return topicPoliciesKey + "/" + encodeTopic(n.Partitioned())
}

// TopicPolicies is a copy of the topic's own policies document, with Apache's names (deduplicationEnabled, retentionPolicies, …); empty
// when it has none. Partitions share the policies of their topic.
func (s *Store) TopicPolicies(ctx context.Context, n topicname.Name) (map[string]any, error) {
	d, err := s.load(ctx, topicPolicyKey(n))
	if err != nil || d == nil {
		return map[string]any{}, err
	}
	return deepCopy(d.fields).(map[string]any), nil
}

// UpdateTopic changes a topic's own policies document; whether the topic exists is not asked. change gets a copy, empty if there is none,
// and may be called again when somebody else was faster; a field that it sets to nil is removed. NamespaceNotFound, PolicyValue.
func (s *Store) UpdateTopic(ctx context.Context, n topicname.Name, change func(fields map[string]any) error) error {
	if _, err := s.namespace(ctx, n.FullNamespace()); err != nil {
		return err
	}
	return s.update(ctx, topicPolicyKey(n), func(fields map[string]any, exists bool) error {
		if err := change(fields); err != nil {
			return err
		}
		for name, v := range fields {
			if v == nil {
				delete(fields, name)
			}
		}
		var st Settings
		if err := topicTable.apply(fields, &st); err != nil {
			return err
		}
		return checkSettings(st)
	})
}

// DeleteTopicPolicies removes a topic's own policies: the topic is gone.
func (s *Store) DeleteTopicPolicies(ctx context.Context, n topicname.Name) error {
	return s.remove(ctx, topicPolicyKey(n))
}
