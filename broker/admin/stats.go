package admin

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// topicStats is Pulsar's form of a topic's statistics. Rates are 0: nobody samples topics that nobody watches; the counters are exact, and two
// readings of them give any rate.
type topicStats struct {
	MsgRateIn         float64                      `json:"msgRateIn"`
	MsgThroughputIn   float64                      `json:"msgThroughputIn"`
	MsgRateOut        float64                      `json:"msgRateOut"`
	MsgThroughputOut  float64                      `json:"msgThroughputOut"`
	BytesInCounter    uint64                       `json:"bytesInCounter"`
	MsgInCounter      uint64                       `json:"msgInCounter"`
	BytesOutCounter   uint64                       `json:"bytesOutCounter"`
	MsgOutCounter     uint64                       `json:"msgOutCounter"`
	AverageMsgSize    float64                      `json:"averageMsgSize"`
	StorageSize       int64                        `json:"storageSize"`
	BacklogSize       int64                        `json:"backlogSize"`
	Publishers        []publisherStats             `json:"publishers"`
	WaitingPublishers int                          `json:"waitingPublishers"`
	Subscriptions     map[string]subscriptionStats `json:"subscriptions"`
	Replication       map[string]any               `json:"replication"`
	Deduplication     string                       `json:"deduplicationStatus"`
	TopicEpoch        *uint64                      `json:"topicEpoch,omitempty"`
	CreationTime      int64                        `json:"topicCreationTimeStamp"`
	LastPublish       int64                        `json:"lastPublishTimeStamp"`
	Owner             string                       `json:"ownerBroker,omitempty"`
	Metadata          *partitionsField             `json:"metadata,omitempty"`
	Partitions        map[string]topicStats        `json:"partitions,omitempty"`
}

type partitionsField struct {
	Partitions int  `json:"partitions"`
	Deleted    bool `json:"deleted"`
}

type publisherStats struct {
	AccessMode      string            `json:"accessMode"`
	MsgRateIn       float64           `json:"msgRateIn"`
	MsgThroughputIn float64           `json:"msgThroughputIn"`
	AverageMsgSize  float64           `json:"averageMsgSize"`
	ProducerID      uint64            `json:"producerId"`
	SupportsPartial bool              `json:"supportsPartialProducer"`
	ProducerName    string            `json:"producerName"`
	Address         string            `json:"address"`
	ConnectedSince  string            `json:"connectedSince"`
	ClientVersion   string            `json:"clientVersion"`
	Metadata        map[string]string `json:"metadata"`
}

type subscriptionStats struct {
	MsgRateOut          float64           `json:"msgRateOut"`
	MsgThroughputOut    float64           `json:"msgThroughputOut"`
	BytesOutCounter     uint64            `json:"bytesOutCounter"`
	MsgOutCounter       uint64            `json:"msgOutCounter"`
	MsgRateRedeliver    float64           `json:"msgRateRedeliver"`
	MsgBacklog          int64             `json:"msgBacklog"`
	MsgBacklogNoDelayed int64             `json:"msgBacklogNoDelayed"`
	MsgDelayed          int64             `json:"msgDelayed"`
	MsgInReplay         int64             `json:"msgInReplay"`
	Blocked             bool              `json:"blockedSubscriptionOnUnackedMsgs"`
	Unacked             int64             `json:"unackedMessages"`
	Type                string            `json:"type"`
	ActiveConsumer      string            `json:"activeConsumerName,omitempty"`
	TotalExpired        uint64            `json:"totalMsgExpired"`
	LastFlow            int64             `json:"lastConsumedFlowTimestamp"`
	LastConsumed        int64             `json:"lastConsumedTimestamp"`
	LastAcked           int64             `json:"lastAckedTimestamp"`
	Consumers           []consumerStats   `json:"consumers"`
	Durable             bool              `json:"isDurable"`
	Replicated          bool              `json:"isReplicated"`
	OutOfOrder          bool              `json:"allowOutOfOrderDelivery"`
	Properties          map[string]string `json:"subscriptionProperties"`
	NonContiguous       int               `json:"nonContiguousDeletedMessagesRanges"`
	// Strobe's own, with ?getEarliestTimeInBacklog=true: exact, from broker entry metadata.
	LagMessages int64   `json:"lagMessages"`
	LagSeconds  float64 `json:"lagSeconds"`
}

type consumerStats struct {
	MsgRateOut       float64           `json:"msgRateOut"`
	MsgThroughputOut float64           `json:"msgThroughputOut"`
	BytesOutCounter  uint64            `json:"bytesOutCounter"`
	MsgOutCounter    uint64            `json:"msgOutCounter"`
	MsgRateRedeliver float64           `json:"msgRateRedeliver"`
	ConsumerName     string            `json:"consumerName"`
	Permits          int32             `json:"availablePermits"`
	Unacked          int32             `json:"unackedMessages"`
	AvgPerEntry      int64             `json:"avgMessagesPerEntry"`
	Blocked          bool              `json:"blockedConsumerOnUnackedMsgs"`
	Address          string            `json:"address"`
	ConnectedSince   string            `json:"connectedSince"`
	ClientVersion    string            `json:"clientVersion"`
	LastAcked        int64             `json:"lastAckedTimestamp"`
	LastConsumed     int64             `json:"lastConsumedTimestamp"`
	LastFlow         int64             `json:"lastConsumedFlowTimestamp"`
	KeyHashRanges    []string          `json:"keyHashRanges,omitempty"`
	Metadata         map[string]string `json:"metadata"`
}

func stamp(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z07:00")
}

var accessModes = map[pb.ProducerAccessMode]string{0: "Shared", 1: "Exclusive", 2: "WaitForExclusive", 3: "ExclusiveWithFencing"}

func (a *API) statsOf(t *topic.Topic) topicStats {
	s := t.Stats()
	out := topicStats{BytesInCounter: s.BytesIn, MsgInCounter: s.MessagesIn, StorageSize: s.Bytes, WaitingPublishers: s.Waiting,
		Publishers: []publisherStats{}, Subscriptions: map[string]subscriptionStats{}, Replication: map[string]any{}, Deduplication: "Disabled",
		TopicEpoch: s.Epoch, CreationTime: s.Loaded, LastPublish: s.LastPublish, Owner: a.o.Placement.ID()}
	if s.Dedup {
		out.Deduplication = "Enabled"
	}
	if s.MessagesIn > 0 {
		out.AverageMsgSize = float64(s.BytesIn) / float64(s.MessagesIn)
	}
	for _, p := range s.Producers {
		ps := publisherStats{AccessMode: accessModes[p.Mode], ProducerID: p.ID, ProducerName: p.Name, Address: p.Address,
			ConnectedSince: stamp(p.Connected), ClientVersion: p.ClientVersion, Metadata: nonNilMap(p.Metadata)}
		if p.MessagesIn > 0 {
			ps.AverageMsgSize = float64(p.BytesIn) / float64(p.MessagesIn)
		}
		out.Publishers = append(out.Publishers, ps)
	}
	var backlog int64
	for _, sub := range s.Subscriptions {
		st := subscriptionOf(sub)
		out.Subscriptions[sub.Name] = st
		out.BytesOutCounter += st.BytesOutCounter
		out.MsgOutCounter += st.MsgOutCounter
		backlog = max(backlog, sub.Backlog)
	}
	if s.Entries > 0 {
		out.BacklogSize = s.Bytes * backlog / s.Entries
	}
	return out
}

func subscriptionOf(s subscription.Stats) subscriptionStats {
	out := subscriptionStats{BytesOutCounter: s.BytesOut, MsgOutCounter: s.MessagesOut, MsgBacklog: s.Backlog, MsgBacklogNoDelayed: s.Backlog,
		MsgInReplay: s.Redeliver, Blocked: s.Blocked, Unacked: s.Unacked, ActiveConsumer: s.ActiveConsumer, TotalExpired: s.Expired,
		LastFlow: s.LastFlow, LastConsumed: s.LastConsumed, LastAcked: s.LastAcked, Consumers: []consumerStats{}, Durable: s.Durable,
		OutOfOrder: s.OutOfOrder, Properties: nonNilMap(s.Properties)}
	if s.Settled {
		out.Type = s.Type.String()
	}
	for _, c := range s.Consumers {
		cs := consumerStats{BytesOutCounter: c.BytesOut, MsgOutCounter: c.MessagesOut, ConsumerName: c.Name, Permits: c.Permits, Unacked: c.Unacked,
			Blocked: c.Blocked, Address: c.Address, ConnectedSince: stamp(c.Connected), ClientVersion: c.ClientVersion, LastAcked: c.LastAcked,
			LastConsumed: c.LastConsumed, LastFlow: c.LastFlow, Metadata: nonNilMap(c.Metadata)}
		if c.EntriesOut > 0 {
			cs.AvgPerEntry = int64(c.MessagesOut / c.EntriesOut)
		}
		for _, r := range c.Ranges {
			cs.KeyHashRanges = append(cs.KeyHashRanges, "["+strconv.Itoa(int(r.Start))+", "+strconv.Itoa(int(r.End))+"]")
		}
		out.Consumers = append(out.Consumers, cs)
	}
	return out
}

func nonNilMap(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (a *API) stats(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	t, err := a.open(q.Context(), n)
	if err != nil {
		return err
	}
	s := a.statsOf(t)
	if err := a.addLag(q, t, &s); err != nil {
		return err
	}
	return q.reply(s)
}

// addLag says how far behind the subscriptions are, if the request wants to know: it reads an entry of each.
func (a *API) addLag(q *request, t *topic.Topic, s *topicStats) error {
	if !q.flag("getEarliestTimeInBacklog") {
		return nil
	}
	for _, sub := range t.Subscriptions() {
		messages, age, err := t.Lag(q.Context(), sub)
		if err != nil {
			return err
		}
		st := s.Subscriptions[sub.Name()]
		st.LagMessages, st.LagSeconds = messages, age.Seconds()
		s.Subscriptions[sub.Name()] = st
	}
	return nil
}

// partitionedStats sums the partitions up; ?perPartition=true (the default) shows each as well.
func (a *API) partitionedStats(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	count, err := a.o.Policies.Partitions(q.Context(), n)
	if err != nil {
		return err
	}
	sum := topicStats{Publishers: []publisherStats{}, Subscriptions: map[string]subscriptionStats{}, Replication: map[string]any{},
		Deduplication: "Disabled", Metadata: &partitionsField{Partitions: count}, Partitions: map[string]topicStats{}}
	err = a.each(q, func(part topicname.Name) error {
		t, err := a.open(q.Context(), part)
		if err != nil {
			if count > 0 && status(err) == 404 {
				return nil // a partition that nobody has used yet
			}
			return err
		}
		s := a.statsOf(t)
		if err := a.addLag(q, t, &s); err != nil {
			return err
		}
		sum.add(s)
		if q.URL.Query().Get("perPartition") != "false" {
			sum.Partitions[part.String()] = s
		}
		return nil
	}, func(part topicname.Name, body []byte, err error) error {
		if err != nil {
			if status(err) == 404 {
				return nil
			}
			return err
		}
		var there topicStats // a sum of one
		if err := json.Unmarshal(body, &there); err != nil {
			return err
		}
		for name, s := range there.Partitions {
			sum.Partitions[name] = s
		}
		there.Partitions = nil
		sum.add(there)
		return nil
	})
	if err != nil {
		return err
	}
	return q.reply(sum)
}

// statsOfPartition asks the broker that serves it.
func (a *API) statsOfPartition(q *request, n topicname.Name) (topicStats, error) {
	var s topicStats
	t, err := a.open(q.Context(), n)
	if e, ok := servedElsewhere(err); ok {
		body, err := a.ask(q, "GET", e, "/stats", nil)
		if err == nil {
			err = json.Unmarshal(body, &s)
		}
		return s, err
	}
	if err != nil {
		return s, err
	}
	return a.statsOf(t), nil
}

func (s *topicStats) add(p topicStats) {
	s.BytesInCounter += p.BytesInCounter
	s.MsgInCounter += p.MsgInCounter
	s.BytesOutCounter += p.BytesOutCounter
	s.MsgOutCounter += p.MsgOutCounter
	s.StorageSize += p.StorageSize
	s.BacklogSize += p.BacklogSize
	s.LastPublish = max(s.LastPublish, p.LastPublish)
	if s.CreationTime == 0 || p.CreationTime < s.CreationTime {
		s.CreationTime = p.CreationTime
	}
	if p.Deduplication == "Enabled" {
		s.Deduplication = p.Deduplication
	}
	if s.MsgInCounter > 0 {
		s.AverageMsgSize = float64(s.BytesInCounter) / float64(s.MsgInCounter)
	}
	s.Publishers = append(s.Publishers, p.Publishers...)
	for name, sub := range p.Subscriptions {
		t, ok := s.Subscriptions[name]
		if !ok {
			s.Subscriptions[name] = sub
			continue
		}
		t.BytesOutCounter += sub.BytesOutCounter
		t.MsgOutCounter += sub.MsgOutCounter
		t.MsgBacklog += sub.MsgBacklog
		t.MsgBacklogNoDelayed += sub.MsgBacklogNoDelayed
		t.Unacked += sub.Unacked
		t.LagMessages += sub.LagMessages
		t.LagSeconds = max(t.LagSeconds, sub.LagSeconds)
		t.Consumers = append(t.Consumers, sub.Consumers...)
		s.Subscriptions[name] = t
	}
}

// internalStats shows the ledgers and cursors below a topic; with metadata=true also where the ledgers lie.
func (a *API) internalStats(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	t, err := a.open(q.Context(), n)
	if err != nil {
		return err
	}
	l := t.Ledger()
	if l == nil {
		return q.reply(map[string]any{})
	}
	i := l.Info()
	type ledgerInfo struct {
		LedgerID  int64 `json:"ledgerId"`
		Entries   int64 `json:"entries"`
		Size      int64 `json:"size"`
		Timestamp int64 `json:"timestamp,omitempty"`
		Offloaded bool  `json:"offloaded"`
		*ledgerPlace
	}
	type cursorInfo struct {
		MarkDelete string           `json:"markDeletePosition"`
		Active     bool             `json:"active"`
		Backlog    int64            `json:"numberOfEntriesSinceFirstNotAckedMessage"`
		Ranges     int              `json:"totalNonContiguousDeletedMessagesRange"`
		State      string           `json:"state"`
		Properties map[string]int64 `json:"properties"`
	}
	out := struct {
		Entries        int64                 `json:"numberOfEntries"`
		Added          uint64                `json:"entriesAddedCounter"`
		Total          int64                 `json:"totalSize"`
		CurrentEntries int64                 `json:"currentLedgerEntries"`
		CurrentSize    int64                 `json:"currentLedgerSize"`
		Pending        int64                 `json:"pendingAddEntriesCount"`
		Last           string                `json:"lastConfirmedEntry"`
		State          string                `json:"state"`
		Ledgers        []ledgerInfo          `json:"ledgers"`
		Cursors        map[string]cursorInfo `json:"cursors"`
		SchemaLedgers  []ledgerInfo          `json:"schemaLedgers"`
		Properties     map[string]string     `json:"properties"`
	}{Entries: i.Entries, Added: t.Stats().EntriesIn, Total: i.Bytes, Pending: i.Pending, Last: i.LastConfirmed.String(), State: i.State,
		Ledgers: []ledgerInfo{}, Cursors: map[string]cursorInfo{}, SchemaLedgers: []ledgerInfo{}, Properties: nonNilMap(i.Properties)}
	for _, k := range i.Ledgers {
		out.Ledgers = append(out.Ledgers, ledgerInfo{LedgerID: k.Ledger, Entries: k.Entries, Size: k.Bytes, Timestamp: k.ClosedAt})
		out.CurrentEntries, out.CurrentSize = k.Entries, k.Bytes
	}
	for k := range out.Ledgers {
		if !q.flag("metadata") {
			break
		}
		if out.Ledgers[k].ledgerPlace, err = a.place(q.Context(), out.Ledgers[k].LedgerID); err != nil {
			return err
		}
	}
	for _, c := range i.Cursors {
		out.Cursors[c.Name] = cursorInfo{MarkDelete: c.MarkDelete.String(), Active: true, Backlog: c.Backlog, Ranges: c.Ranges, State: "Open", Properties: map[string]int64{}}
	}
	return q.reply(out)
}

// internalInfo shows what is stored of a topic's ledgers.
func (a *API) internalInfo(q *request) error { return a.internalStats(q) }
