package instance

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// maxReason is how much of a reason a dead letter carries, in bytes: it must not make a message too large that was not.
const maxReason = 2 << 10

// park puts the item's dead letter into the outbox in place of its outputs.
func (l *Loop) park(it *item, reason, code string) {
	letter := l.deadLetter(it, reason, code)
	l.parked(it, reason) // once it is in the outbox it is the writer's
	l.mu.Lock()
	it.outputs, it.parked = 1, true
	l.number(it.record, &letter, parkedOrdinal, l.o.Processor == nil)
	l.box.add(it, &letter, true)
	l.mu.Unlock()
	wake(l.writeWake)
}

// parked tells people.
func (l *Loop) parked(it *item, reason string) {
	l.status.event("parked: "+reason, false)
	if l.events.allow() {
		l.o.Events.Warn("parked in "+l.o.Spec.DeadLetter+": "+reason, "topic", it.record.Topic, "message", messageID(it.record))
	}
}

// deadLetter is the record that parks an item: the input as it came, for another topic, with the reason.
func (l *Loop) deadLetter(it *item, reason, code string) connectors.Record {
	in := it.record
	letter := connectors.Record{
		Topic: l.o.Spec.DeadLetter, Key: in.Key, HasKey: in.HasKey, Payload: in.Payload, Null: in.Null, EventTime: in.EventTime,
		Properties: make([]connectors.Property, 0, len(in.Properties)+8),
	}
	for _, p := range in.Properties {
		if !functions.IsParkedProperty(p.Key) {
			letter.Properties = append(letter.Properties, p)
		}
	}
	if code == "" {
		code = leadingCode(reason)
	}
	p := functions.Parked{
		By: l.o.Spec.FQName.String(), At: time.Now(), Reason: cut(reason, maxReason), Code: code, Attempts: max(it.attempts, 1),
		Topic: in.Topic, MessageID: messageID(in), PublishTime: in.PublishTime,
	}
	p.Properties(func(k, v string) {
		letter.Properties = append(letter.Properties, connectors.Property{Key: k, Value: v})
	})
	return letter
}

// leadingCode is the error code that a reason begins with: a Processor's verdicts carry text only.
func leadingCode(reason string) string {
	word, _, _ := strings.Cut(reason, " ")
	if _, known := fault.Lookup(word); known {
		return word
	}
	return ""
}

// tooMany is the reason for parking an input with more outputs than there are numbers.
func tooMany(n int) error {
	return fault.FunctionTooManyOutputs.New("%d outputs of one message, and at most %d can be numbered", n, maxOrdinal)
}

// messageID is where a record came from, as text; "" when it did not come from a topic.
func messageID(r *connectors.Record) string {
	if r.ID == (connectors.MessageID{}) {
		return ""
	}
	s := fmt.Sprintf("%d:%d:%d", r.ID.Ledger, r.ID.Entry, r.ID.Partition)
	if r.ID.Batch >= 0 {
		s += ":" + strconv.Itoa(int(r.ID.Batch))
	}
	return s
}

// cut cuts s to at most n bytes, not in the middle of a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
