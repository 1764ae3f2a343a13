package admin

import (
	"encoding/json"

	"github.com/strobemq/strobe/broker/auth"
)

// document is a policy that is one field of the namespace's or topic's policies: read, set and removed as it is. The policy store judges the values.
type document struct {
	path  string // below the namespace or topic
	field string // in the stored document
	set   []string
}

// namespaceDocuments are the namespace policies that the broker acts on.
var namespaceDocuments = []document{
	{"retention", "retention_policies", []string{"POST"}},
	{"deduplication", "deduplicationEnabled", []string{"POST"}},
	{"persistence", "persistence", []string{"POST"}},
	{"autoTopicCreation", "autoTopicCreationOverride", []string{"POST"}},
	{"autoSubscriptionCreation", "autoSubscriptionCreationOverride", []string{"POST"}},
	{"maxProducersPerTopic", "max_producers_per_topic", []string{"POST"}},
	{"maxConsumersPerTopic", "max_consumers_per_topic", []string{"POST"}},
	{"maxConsumersPerSubscription", "max_consumers_per_subscription", []string{"POST"}},
	{"properties", "properties", []string{"PUT"}},
	{"replication", "replication_clusters", []string{"POST"}},
}

// topicDocuments are the topic policies that the broker acts on.
var topicDocuments = []document{
	{"retention", "retentionPolicies", []string{"POST"}},
	{"deduplicationEnabled", "deduplicationEnabled", []string{"POST"}},
	{"persistence", "persistence", []string{"POST"}},
	{"maxMessageSize", "maxMessageSize", []string{"POST"}},
	{"maxProducers", "maxProducerPerTopic", []string{"POST"}},
	{"maxConsumers", "maxConsumerPerTopic", []string{"POST"}},
	{"maxConsumersPerSubscription", "maxConsumersPerSubscription", []string{"POST"}},
	{"maxUnackedMessagesOnConsumer", "maxUnackedMessagesOnConsumer", []string{"POST"}},
	{"maxUnackedMessagesOnSubscription", "maxUnackedMessagesOnSubscription", []string{"POST"}},
}

func (a *API) documentRoutes(base string, d document) []route {
	topic := base[len(base)-len("{topic}"):] == "{topic}"
	action := auth.ManageNamespace
	read, change := a.readNamespaceDocument(d), a.changeNamespaceDocument(d, false)
	remove := a.changeNamespaceDocument(d, true)
	if topic {
		action = auth.ManageTopic
		read, change, remove = a.readTopicDocument(d), a.changeTopicDocument(d, false), a.changeTopicDocument(d, true)
	}
	list := []route{{"GET", base + "/" + d.path, action, read}, {"DELETE", base + "/" + d.path, action, remove}}
	for _, method := range d.set {
		list = append(list, route{method, base + "/" + d.path, action, change})
	}
	return list
}

// A policy that is not set reads as 204 without a body, which clients take for null.
func (q *request) documentReply(v any) error {
	if v == nil {
		return q.noContent()
	}
	return q.reply(v)
}

func (a *API) readNamespaceDocument(d document) func(*request) error {
	return func(q *request) error {
		p, err := a.o.Policies.Namespace(q.Context(), q.namespace())
		if err != nil {
			return err
		}
		return q.documentReply(p.Fields()[d.field])
	}
}

func (a *API) changeNamespaceDocument(d document, remove bool) func(*request) error {
	return func(q *request) error {
		v, err := q.document(remove)
		if err != nil {
			return err
		}
		if err := a.o.Policies.Update(q.Context(), q.namespace(), setField(d.field, v)); err != nil {
			return err
		}
		return q.noContent()
	}
}

func (a *API) readTopicDocument(d document) func(*request) error {
	return func(q *request) error {
		n, err := q.topic()
		if err != nil {
			return err
		}
		fields, err := a.o.Policies.TopicPolicies(q.Context(), n)
		if err != nil {
			return err
		}
		return q.documentReply(fields[d.field])
	}
}

func (a *API) changeTopicDocument(d document, remove bool) func(*request) error {
	return func(q *request) error {
		n, err := q.topic()
		if !remove {
			n, err = q.newTopic()
		}
		if err != nil {
			return err
		}
		v, err := q.document(remove)
		if err != nil {
			return err
		}
		if err := a.o.Policies.UpdateTopic(q.Context(), n, setField(d.field, v)); err != nil {
			return err
		}
		if err := a.refresh(q.Context(), n); err != nil {
			return err
		}
		return q.noContent()
	}
}

// document is the value to set, nil to remove it. Numbers keep their digits.
func (q *request) document(remove bool) (any, error) {
	if remove {
		return nil, nil
	}
	var raw json.RawMessage
	if found, err := q.body(&raw); err != nil || !found {
		return nil, err
	}
	var v any
	return v, json.Unmarshal(raw, &v)
}

func setField(field string, v any) func(map[string]any) error {
	return func(fields map[string]any) error {
		if v == nil {
			delete(fields, field)
		} else {
			fields[field] = v
		}
		return nil
	}
}
