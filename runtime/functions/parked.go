package functions

import (
	"strconv"
	"strings"
	"time"
)

// Names of the properties that a parked message carries beside its own.
const (
	PropParkedBy    = "strobe-parked-by"    // tenant/namespace/name of the deployment that parked it
	PropParkedAt    = "strobe-parked-at"    // RFC 3339, UTC
	PropReason      = "strobe-reason"       // why, for people
	PropCode        = "strobe-code"         // the error's code, when it has one
	PropAttempts    = "strobe-attempts"     // how often it was tried
	PropTopic       = "strobe-topic"        // full name of the topic it came from, or, from a source, was meant for
	PropMessageID   = "strobe-message-id"   // ledger:entry:partition, and :index in a batch
	PropPublishTime = "strobe-publish-time" // of the original, ms since 1970
)

// parkedPrefix is reserved: properties of that prefix are dropped from a message when it is parked or sent again.
const parkedPrefix = "strobe-"

// ParkedSubscription is the durable subscription of every dead-letter topic: what it has not acknowledged is parked. It is made
// with the topic's first producer, so that nothing parked is ever trimmed.
const ParkedSubscription = "strobe-parked"

// DeadLetterTopic is where a deployment's messages are parked unless its Spec names another topic.
func DeadLetterTopic(n FQName) string {
	return "persistent://" + n.Tenant + "/" + n.Namespace + "/" + n.Name + "-DLQ"
}

// IsParkedProperty tells whether a property was added when a message was parked.
func IsParkedProperty(key string) bool { return strings.HasPrefix(key, parkedPrefix) }

// Parked is what a parked message says of itself.
type Parked struct {
	By          string
	At          time.Time
	Reason      string
	Code        string
	Attempts    int
	Topic       string
	MessageID   string
	PublishTime int64
}

// Properties calls add with each property of p that says something.
func (p Parked) Properties(add func(key, value string)) {
	add(PropParkedBy, p.By)
	add(PropParkedAt, p.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	add(PropReason, p.Reason)
	if p.Code != "" {
		add(PropCode, p.Code)
	}
	add(PropAttempts, strconv.Itoa(p.Attempts))
	if p.Topic != "" {
		add(PropTopic, p.Topic)
	}
	if p.MessageID != "" {
		add(PropMessageID, p.MessageID)
	}
	if p.PublishTime != 0 {
		add(PropPublishTime, strconv.FormatInt(p.PublishTime, 10))
	}
}

// ReadParked reads what Properties wrote; get returns "" for a property that is not there. ok is false for a message that was not parked by
// Strobe.
func ReadParked(get func(key string) string) (p Parked, ok bool) {
	p = Parked{
		By: get(PropParkedBy), Reason: get(PropReason), Code: get(PropCode),
		Topic: get(PropTopic), MessageID: get(PropMessageID),
	}
	p.At, _ = time.Parse(time.RFC3339, get(PropParkedAt))
	p.Attempts, _ = strconv.Atoi(get(PropAttempts))
	p.PublishTime, _ = strconv.ParseInt(get(PropPublishTime), 10, 64)
	return p, p.By != ""
}
