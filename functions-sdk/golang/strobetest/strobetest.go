// Package strobetest runs a function's handler on messages in an ordinary Go test:
//
//	func TestHandle(t *testing.T) {
//		r := strobetest.Run(t, handle, strobetest.Text("hello"), strobetest.Config("greeting", "hi"))
//		if got := r.Text(); got != "HELLO" {
//			t.Errorf("got %q", got)
//		}
//	}
package strobetest

import (
	"os"
	"strings"
	"testing"
	"time"

	strobe "github.com/strobemq/strobe/functions-sdk/golang"
)

// Output is the topic name under which Emitted shows what went to the function's own output.
const Output = ""

// Emitted is one message that a handler emitted.
type Emitted struct {
	Topic string // as the handler named it; Output for the function's output
	strobe.Message
}

// Result is what a handler made of one message.
type Result struct {
	Emitted []Emitted // nothing if Err is not nil: then nothing is published
	Err     error
	Logs    []string // "LEVEL text"
}

// Rejected tells whether the message is parked at once; Retried, whether it is tried again.
func (r Result) Rejected() bool { return strobe.Rejected(r.Err) }

// Retried tells whether the message is tried again later.
func (r Result) Retried() bool { return r.Err != nil && !strobe.Rejected(r.Err) }

// Text is the payload of the only message emitted, and "" if there is another number of them.
func (r Result) Text() string {
	if len(r.Emitted) != 1 {
		return ""
	}
	return string(r.Emitted[0].Payload)
}

// Option sets up a run.
type Option func(*setup)

type setup struct {
	config map[string]string
}

// Config sets a configuration value that the handler reads with Context.Config.
func Config(key, value string) Option {
	return func(s *setup) { s.config[key] = value }
}

// Text is a message with a text as its payload.
func Text(payload string) strobe.Message { return strobe.Message{Payload: []byte(payload)} }

// Run runs the handler on one message. Fields of m that a topic would set and the test did not are filled in.
func Run(t testing.TB, h strobe.Handler, m strobe.Message, options ...Option) Result {
	t.Helper()
	s := setup{config: map[string]string{}}
	for _, o := range options {
		o(&s)
	}
	if m.Topic == "" {
		m.Topic = "persistent://public/default/test"
	}
	if m.ID == (strobe.MessageID{}) {
		m.ID = strobe.MessageID{Batch: -1, Partition: -1}
	}
	if m.PublishTime == 0 {
		m.PublishTime = strobe.MillisOf(time.Now())
	}
	var r Result
	emit := func(topic string, m strobe.Message) { r.Emitted = append(r.Emitted, Emitted{topic, m}) }
	config := func(key string) (string, bool) { v, ok := s.config[key]; return v, ok }
	log := func(level uint32, text string) {
		r.Logs = append(r.Logs, [...]string{"DEBUG", "INFO", "WARN", "ERROR"}[min(level, 3)]+" "+text)
	}
	if r.Err = strobe.Run(h, m, emit, config, log); r.Err != nil {
		r.Emitted = nil
	}
	return r
}

// Events reads sample events: each line of the file is the payload of one message. `strobe produce TOPIC < FILE` sends the same.
func Events(t testing.TB, file string) []strobe.Message {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var list []strobe.Message
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			list = append(list, Text(line))
		}
	}
	return list
}
