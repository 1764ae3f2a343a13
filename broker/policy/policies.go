package policy

import (
	"encoding/json"
	"errors"

	"github.com/strobemq/strobe/internal/fault"
)

// Policies are a namespace's policies: a view of the stored document, which does not change.
type Policies struct {
	fields map[string]any
}

// Fields is a copy of the whole document, unknown fields included, as REST returns it.
func (p *Policies) Fields() map[string]any { return deepCopy(p.fields).(map[string]any) }

// MarshalJSON is the whole document.
func (p *Policies) MarshalJSON() ([]byte, error) { return json.Marshal(p.fields) }

// Retention says how much of what all subscriptions have consumed is kept. Zero of either deletes at once, -1 keeps without limit.
type Retention struct {
	Minutes   int   `json:"retentionTimeInMinutes"`
	Megabytes int64 `json:"retentionSizeInMB"`
}

// Persistence says on how many bookies entries lie, and how often a cursor is written at most (a second).
type Persistence struct {
	Ensemble       int     `json:"bookkeeperEnsemble"`
	Write          int     `json:"bookkeeperWriteQuorum"`
	Ack            int     `json:"bookkeeperAckQuorum"`
	MarkDeleteRate float64 `json:"managedLedgerMaxMarkDeleteRate"`
}

// AutoTopic says whether topics are created by use, and as what.
type AutoTopic struct {
	Allow      bool   `json:"allowAutoTopicCreation"`
	Type       string `json:"topicType"` // "non-partitioned" or "partitioned"
	Partitions int    `json:"defaultNumPartitions"`
}

type autoSubscription struct {
	Allow bool `json:"allowAutoSubscriptionCreation"`
}

// checkPolicies tells whether the policies that Strobe knows have values that mean something.
func checkPolicies(fields map[string]any) error {
	var st Settings
	_, err := parseBundles(fields)
	return errors.Join(err, namespaceTable.apply(fields, &st), checkSettings(st))
}

func checkSettings(s Settings) error {
	switch r := s.Retention; {
	case r.Minutes < -1 || r.Megabytes < -1:
		return fault.PolicyValue.New("retention of %d minutes and %d MB", r.Minutes, r.Megabytes)
	case (r.Minutes == 0) != (r.Megabytes == 0):
		return fault.PolicyValue.New("retention of %d minutes and %d MB: either both are 0 or none", r.Minutes, r.Megabytes)
	}
	if p := s.Persistence; p != (Persistence{}) && (p.Ack < 1 || p.Write < p.Ack || p.Ensemble < p.Write || p.MarkDeleteRate < 0) {
		return fault.PolicyValue.New("persistence: %d bookies, %d copies, %d acknowledged", p.Ensemble, p.Write, p.Ack)
	}
	if s.MessageTTL < 0 {
		return fault.PolicyValue.New("a message TTL of %s", s.MessageTTL)
	}
	switch t := s.AutoTopic; {
	case t.Type != "" && t.Type != "partitioned" && t.Type != "non-partitioned":
		return fault.PolicyValue.New("the topic type %q", t.Type)
	case t.Type == "partitioned" && t.Partitions < 1:
		return fault.PolicyValue.New("%d partitions for topics created by use", t.Partitions)
	}
	return nil
}
