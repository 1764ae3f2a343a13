package policy

import (
	"context"
	"errors"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// maxPartitions bounds what one topic can be divided into.
const maxPartitions = 100000

func partitionsKey(n topicname.Name) string { return partitionedKey + "/" + encodeTopic(n) }

// Partitions is how many partitions the topic has: 0 when it is not partitioned or does not exist. A partition itself has none.
func (s *Store) Partitions(ctx context.Context, n topicname.Name) (int, error) {
	if n.Partition >= 0 {
		return 0, nil
	}
	d, err := s.load(ctx, partitionsKey(n))
	if err != nil || d == nil || d.fields["deleted"] == true {
		return 0, err
	}
	count, _, err := field[int](d.fields, "partitions")
	return count, err
}

// PartitionedFields is a copy of the partitioned topic's document: partitions, deleted, properties. PartitionedNotFound.
func (s *Store) PartitionedFields(ctx context.Context, n topicname.Name) (map[string]any, error) {
	d, err := s.load(ctx, partitionsKey(n))
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fault.PartitionedNotFound.New("%s", n)
	}
	return deepCopy(d.fields).(map[string]any), nil
}

// CreatePartitioned makes a partitioned topic; properties may be nil. PartitionedExists, PartitionsNumber, NamespaceNotFound. Whether
// a topic without partitions has the name, the caller must know.
func (s *Store) CreatePartitioned(ctx context.Context, n topicname.Name, partitions int, properties map[string]string) error {
	if partitions < 1 || partitions > maxPartitions || n.Partition >= 0 {
		return fault.PartitionsNumber.New("%d for %s", partitions, n)
	}
	if _, err := s.namespace(ctx, n.FullNamespace()); err != nil {
		return err
	}
	fields := map[string]any{"partitions": partitions, "deleted": false}
	if len(properties) > 0 {
		fields["properties"] = properties
	}
	err := s.create(ctx, partitionsKey(n), fields)
	if errors.Is(err, meta.ErrConflict) {
		return fault.PartitionedExists.New("%s", n)
	}
	return err
}

// SetPartitions raises a partitioned topic's number of partitions. PartitionedNotFound, PartitionsNumber for fewer than it has.
func (s *Store) SetPartitions(ctx context.Context, n topicname.Name, partitions int) error {
	return s.updatePartitioned(ctx, n, func(fields map[string]any) error {
		have, _, err := field[int](fields, "partitions")
		if err != nil {
			return err
		}
		if partitions < have || partitions < 1 || partitions > maxPartitions {
			return fault.PartitionsNumber.New("%d for %s, which has %d", partitions, n, have)
		}
		fields["partitions"] = partitions
		return nil
	})
}

// SetPartitionedProperties sets properties of a partitioned topic, or removes those whose value is empty. PartitionedNotFound.
func (s *Store) SetPartitionedProperties(ctx context.Context, n topicname.Name, properties map[string]string) error {
	return s.updatePartitioned(ctx, n, func(fields map[string]any) error {
		all, _, err := field[map[string]string](fields, "properties")
		if err != nil {
			return err
		}
		if all == nil {
			all = map[string]string{}
		}
		for k, v := range properties {
			if all[k] = v; v == "" {
				delete(all, k)
			}
		}
		fields["properties"] = all
		return nil
	})
}

func (s *Store) updatePartitioned(ctx context.Context, n topicname.Name, change func(fields map[string]any) error) error {
	return s.update(ctx, partitionsKey(n), func(fields map[string]any, exists bool) error {
		if !exists {
			return fault.PartitionedNotFound.New("%s", n)
		}
		return change(fields)
	})
}

// DeletePartitioned forgets that a topic is partitioned; its partitions must be gone. PartitionedNotFound.
func (s *Store) DeletePartitioned(ctx context.Context, n topicname.Name) error {
	if _, err := s.PartitionedFields(ctx, n); err != nil {
		return err
	}
	return s.remove(ctx, partitionsKey(n))
}

// Partitioned are the partitioned topics of "tenant/namespace", persistent ones first, by name.
func (s *Store) Partitioned(ctx context.Context, namespace string) ([]topicname.Name, error) {
	if _, _, err := topicname.SplitNamespace(namespace); err != nil {
		return nil, err
	}
	var topics []topicname.Name
	for _, domain := range []string{"persistent", "non-persistent"} {
		path := namespace + "/" + domain
		names, err := s.meta.List(ctx, partitionedKey+"/"+path)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			n, err := decodeTopic(path + "/" + name)
			if err != nil {
				s.log.Warn("a partitioned topic with a name that is none", "key", partitionedKey+"/"+path+"/"+name, "error", err)
				continue
			}
			topics = append(topics, n)
		}
	}
	return topics, nil
}
