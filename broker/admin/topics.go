package admin

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
)

func (a *API) topics(q *request) error {
	persistent := !strings.HasPrefix(q.URL.Path, "/admin/v2/non-persistent/")
	list, err := a.list(q, func(n topic.Name) bool { return n.Persistent == persistent })
	if err != nil {
		return err
	}
	return q.reply(list)
}

func (a *API) partitionedTopics(q *request) error {
	if _, err := a.o.Policies.Namespace(q.Context(), q.namespace()); err != nil {
		return err
	}
	persistent := !strings.HasPrefix(q.URL.Path, "/admin/v2/non-persistent/")
	all, err := a.o.Policies.Partitioned(q.Context(), q.namespace())
	if err != nil {
		return err
	}
	names := []string{}
	for _, n := range all {
		if n.Persistent == persistent {
			names = append(names, n.String())
		}
	}
	return q.reply(names)
}

func (a *API) createTopic(q *request) error {
	n, err := q.newTopic()
	if err != nil {
		return err
	}
	if _, err := a.o.Policies.Namespace(q.Context(), n.FullNamespace()); err != nil {
		return err
	}
	if count, err := a.o.Policies.Partitions(q.Context(), n); err != nil {
		return err
	} else if count > 0 {
		return fault.PartitionedExists.New("%s", n)
	}
	if there, err := a.o.Topics.Exists(q.Context(), topic.Name(n)); err != nil {
		return err
	} else if there {
		return fault.PartitionedExists.New("%s", n)
	}
	if err := a.make(q.Context(), n); err != nil {
		return err
	}
	return q.noContent()
}

// make loads a topic, and so creates it.
func (a *API) make(ctx context.Context, n topicname.Name) error {
	if err := a.own(ctx, n); err != nil {
		return err
	}
	_, err := a.o.Topics.Create(ctx, topic.Name(n))
	return err
}

func (a *API) deleteTopic(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	if err := a.own(q.Context(), n); err != nil {
		return err
	}
	if err := a.o.Topics.Delete(q.Context(), topic.Name(n), q.flag("force")); err != nil {
		return err
	}
	if n.Partition < 0 {
		if err := a.o.Policies.DeleteTopicPolicies(q.Context(), n); err != nil {
			return err
		}
	}
	return q.noContent()
}

func (a *API) partitions(q *request) error {
	n, err := q.topic()
	if q.flag("checkAllowAutoCreation") {
		n, err = q.newTopic()
	}
	if err != nil {
		return err
	}
	count, err := a.o.Partitions(q.Context(), topic.Name(n), q.flag("checkAllowAutoCreation"))
	var refused *topic.Refusal
	if errors.As(err, &refused) && status(err) == 404 && !q.flag("checkAllowAutoCreation") {
		count, err = 0, nil // as Pulsar: a topic that is not there has no partitions
	}
	if err != nil {
		return err
	}
	return q.reply(map[string]any{"partitions": count, "deleted": false})
}

// partitionCount reads a bare number, or {"partitions": n, "properties": {...}}.
func (q *request) partitionCount() (n int, properties map[string]string, err error) {
	var raw json.RawMessage
	found, err := q.body(&raw)
	if err != nil {
		return 0, nil, err
	}
	if !found {
		return 0, nil, fault.AdminBody.New("no number of partitions")
	}
	if json.Unmarshal(raw, &n) == nil {
		return n, nil, nil
	}
	var long struct {
		Partitions int
		Properties map[string]string
	}
	if err := json.Unmarshal(raw, &long); err != nil {
		return 0, nil, fault.AdminBody.New("%w", err)
	}
	return long.Partitions, long.Properties, nil
}

func (a *API) createPartitioned(q *request) error {
	n, err := q.newTopic()
	if err != nil {
		return err
	}
	count, properties, err := q.partitionCount()
	if err != nil {
		return err
	}
	if there, err := a.o.Topics.Exists(q.Context(), topic.Name(n)); err != nil {
		return err
	} else if there {
		return fault.PartitionedExists.New("%s", n)
	}
	if err := a.o.Policies.CreatePartitioned(q.Context(), n, count, properties); err != nil {
		return err
	}
	if err := a.makePartitions(q, n, count); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) makePartitions(q *request, n topicname.Name, count int) error {
	if !n.Persistent {
		return nil // they exist while they are loaded
	}
	for i := range count {
		err := a.make(q.Context(), n.Of(i))
		if e, ok := servedElsewhere(err); ok {
			_, err = a.ask(q, "PUT", e, "", nil)
			if err != nil && status(err) == http.StatusConflict {
				err = nil // it is there
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// growPartitioned gives a topic more partitions; each new one gets the subscriptions of the others, from its start.
func (a *API) growPartitioned(q *request) error {
	n, err := q.newTopic()
	if err != nil {
		return err
	}
	count, _, err := q.partitionCount()
	if err != nil {
		return err
	}
	before, err := a.o.Policies.Partitions(q.Context(), n)
	if err != nil {
		return err
	}
	if err := a.o.Policies.SetPartitions(q.Context(), n, count); err != nil {
		return err
	}
	if err := a.makePartitions(q, n, count); err != nil {
		return err
	}
	if err := a.copySubscriptions(q, n, before, count); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) createMissedPartitions(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	count, err := a.o.Policies.Partitions(q.Context(), n)
	if err != nil {
		return err
	}
	if err := a.makePartitions(q, n, count); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) deletePartitioned(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	count, err := a.o.Policies.Partitions(q.Context(), n)
	if err != nil {
		return err
	}
	if count == 0 {
		return fault.PartitionedNotFound.New("%s", n)
	}
	for i := range count {
		err := a.deletePartition(q, n.Of(i))
		if err != nil && status(err) != 404 {
			return err
		}
	}
	if err := a.o.Policies.DeleteTopicPolicies(q.Context(), n); err != nil {
		return err
	}
	if err := a.o.Policies.DeletePartitioned(q.Context(), n); err != nil {
		return err
	}
	return q.noContent()
}

// deletePartition deletes a partition, by the broker that serves it.
func (a *API) deletePartition(q *request, n topicname.Name) error {
	err := a.own(q.Context(), n)
	if err == nil {
		return a.o.Topics.Delete(q.Context(), topic.Name(n), q.flag("force"))
	}
	if e, ok := servedElsewhere(err); ok {
		_, err = a.ask(q, "DELETE", e, "?force="+strconv.FormatBool(q.flag("force")), nil)
	}
	return err
}

// each calls do for the topic of the request, or for each of its partitions. The request is sent to the broker of a partition that is served
// elsewhere; answered is called with what that one said and decides what comes of it, nil: only its error counts.
func (a *API) each(q *request, do func(n topicname.Name) error, answered func(n topicname.Name, body []byte, err error) error) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	count, err := a.o.Policies.Partitions(q.Context(), n)
	if err != nil {
		return err
	}
	if count == 0 {
		return do(n)
	}
	for i := range count {
		err := do(n.Of(i))
		if e, ok := servedElsewhere(err); ok {
			var body []byte
			body, err = a.forward(q, e)
			if answered != nil {
				err = answered(n.Of(i), body, err)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// open is the loaded topic; it is not created.
func (a *API) open(ctx context.Context, n topicname.Name) (*topic.Topic, error) {
	if err := a.own(ctx, n); err != nil {
		return nil, err
	}
	return a.o.Topics.Get(ctx, topic.Name(n), false)
}

// refresh makes new policies hold for a topic and its partitions.
func (a *API) refresh(ctx context.Context, n topicname.Name) error {
	count, err := a.o.Policies.Partitions(ctx, n)
	if err != nil {
		return err
	}
	if err := a.o.Topics.Refresh(ctx, topic.Name(n)); err != nil {
		return err
	}
	for i := range count {
		if err := a.o.Topics.Refresh(ctx, topic.Name(n.Of(i))); err != nil {
			return err
		}
	}
	return nil
}

func (a *API) unloadTopic(q *request) error {
	err := a.each(q, func(n topicname.Name) error {
		if there, err := a.o.Topics.Exists(q.Context(), topic.Name(n)); err != nil {
			return err
		} else if !there {
			return fault.TopicNotFound.New("%s", n)
		}
		if err := a.own(q.Context(), n); err != nil {
			return err
		}
		return a.o.Topics.Unload(q.Context(), topic.Name(n))
	}, nil)
	if err != nil {
		return err
	}
	return q.noContent()
}

// messageID is Pulsar's form of a position.
type messageID struct {
	LedgerID       int64 `json:"ledgerId"`
	EntryID        int64 `json:"entryId"`
	PartitionIndex int   `json:"partitionIndex"`
	BatchIndex     int32 `json:"batchIndex,omitempty"`
}

func (a *API) terminate(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	t, err := a.open(q.Context(), n)
	if err != nil {
		return err
	}
	p, err := t.Terminate(q.Context())
	if err != nil {
		return err
	}
	return q.reply(messageID{LedgerID: p.Ledger, EntryID: p.Entry, PartitionIndex: n.Partition})
}

func (a *API) lastMessageID(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	t, err := a.open(q.Context(), n)
	if err != nil {
		return err
	}
	l, err := t.Last(q.Context())
	if err != nil {
		return err
	}
	return q.reply(messageID{l.Position.Ledger, l.Position.Entry, n.Partition, l.BatchIndex})
}
