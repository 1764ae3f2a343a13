package instance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/functions"
)

const (
	inTopic   = "persistent://t/n/in"
	outTopic  = "persistent://t/n/out"
	deadTopic = "persistent://t/n/f-DLQ"
)

// scriptedSource hands out what a test gives it, and remembers what was acknowledged.
type scriptedSource struct {
	mu       sync.Mutex
	records  []connectors.Record // the system behind it
	read     int                 // handed out since Connect
	size     int                 // records of a batch; 0: 10
	acked    []bool
	ackCalls int
	connects int
	closed   bool
	readErr  []error // given by the next Reads, instead of records
	connErr  []error // by the next Connects; nil is success
	ackErr   []error // by the next Acks; nil is success
	ackDelay time.Duration
	onAck    func(payload string) // of each record that is acknowledged, before it is
	more     chan struct{}
}

func newSource(payloads ...string) *scriptedSource {
	s := &scriptedSource{more: make(chan struct{}, 1)}
	s.add(payloads...)
	return s
}

func (s *scriptedSource) add(payloads ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range payloads {
		n := len(s.records)
		s.records = append(s.records, connectors.Record{Topic: inTopic, Payload: []byte(p), Index: uint64(n), HasIndex: true, Producer: inTopic + "#7",
			ID: connectors.MessageID{Ledger: 7, Entry: int64(n), Batch: -1, Partition: -1}})
		s.acked = append(s.acked, false)
	}
	wake(s.more)
}

// fail has the next Reads answer errors.
func (s *scriptedSource) fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readErr = append(s.readErr, errs...)
	wake(s.more)
}

func (s *scriptedSource) Connect(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connects++
	if err := next(&s.connErr); err != nil {
		return err
	}
	s.read = 0
	return nil
}

func (s *scriptedSource) Read(ctx context.Context) (connectors.Batch, error) {
	for {
		if b, ok, err := s.take(); ok || err != nil {
			return b, err
		}
		select {
		case <-s.more:
		case <-ctx.Done():
			return connectors.Batch{}, ctx.Err()
		}
	}
}

func (s *scriptedSource) take() (connectors.Batch, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := next(&s.readErr); err != nil {
		return connectors.Batch{}, false, err
	}
	size := s.size
	if size == 0 {
		size = 10
	}
	var places []int
	var b connectors.Batch
	for ; s.read < len(s.records) && len(places) < size; s.read++ {
		if !s.acked[s.read] {
			places = append(places, s.read)
			b.Records = append(b.Records, s.records[s.read])
		}
	}
	b.Ack = func(ctx context.Context, done []int) error {
		time.Sleep(s.ackDelay)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ackCalls++
		if err := next(&s.ackErr); err != nil {
			return err
		}
		if done == nil {
			for i := range places {
				done = append(done, i)
			}
		}
		for _, i := range done {
			if s.acked[places[i]] {
				panic(fmt.Sprintf("record %d is acknowledged twice", places[i]))
			}
			if s.onAck != nil {
				s.onAck(string(s.records[places[i]].Payload))
			}
			s.acked[places[i]] = true
		}
		return nil
	}
	return b, len(places) > 0, nil
}

func (s *scriptedSource) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// unacked lists the payloads that are not acknowledged.
func (s *scriptedSource) unacked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var left []string
	for i, ok := range s.acked {
		if !ok {
			left = append(left, string(s.records[i].Payload))
		}
	}
	return left
}

func next(errs *[]error) error {
	if len(*errs) == 0 {
		return nil
	}
	err := (*errs)[0]
	*errs = (*errs)[1:]
	return err
}

// scriptedSink remembers what arrived.
type scriptedSink struct {
	mu       sync.Mutex
	arrived  []connectors.Record
	writes   [][]string // payloads of each Write
	connects int
	closed   bool
	delay    time.Duration
	write    func(records []connectors.Record) error // decides; nil: everything arrives
	connErr  []error
	writing  bool
}

func (s *scriptedSink) Connect(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connects++
	return next(&s.connErr)
}

func (s *scriptedSink) Write(ctx context.Context, records []connectors.Record) error {
	s.mu.Lock()
	if s.writing {
		panic("two writes at once")
	}
	s.writing = true
	s.mu.Unlock()
	select {
	case <-time.After(s.delay):
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var err error
	if s.write != nil {
		err = s.write(records)
	}
	var partial *connectors.BatchError
	if err != nil && !errors.As(err, &partial) {
		return err
	}
	var list []string
	for i, r := range records {
		if partial != nil && partial.Failed[i] != nil {
			continue
		}
		r.Payload, r.Key, r.Properties = slices.Clone(r.Payload), slices.Clone(r.Key), slices.Clone(r.Properties)
		s.arrived = append(s.arrived, r)
		list = append(list, string(r.Payload))
	}
	s.writes = append(s.writes, list)
	return err
}

func (s *scriptedSink) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// payloads of a topic, in the order they arrived.
func (s *scriptedSink) payloads(topic string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []string
	for _, r := range s.arrived {
		if r.Topic == topic {
			list = append(list, string(r.Payload))
		}
	}
	return list
}

func (s *scriptedSink) last(t *testing.T, topic string) connectors.Record {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range slices.Backward(s.arrived) {
		if r.Topic == topic {
			return r
		}
	}
	t.Fatalf("nothing arrived in %s", topic)
	return connectors.Record{}
}

// writeList is the payloads of each Write.
func (s *scriptedSink) writeList() [][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

var errTrap = errors.New("it crashed")

// scriptedProcessor does what payloads say: "drop", "reject", "again N" (N times, then as the rest), "trap N" (the call fails), "double";
// anything else is echoed. Its outputs die at the next call, as a guest's do.
type scriptedProcessor struct {
	mu     sync.Mutex
	calls  [][]string
	seen   map[string]int
	delay  time.Duration
	fail   []error // of the next calls
	memory []byte
	closed bool
	many   int // outputs of "many"
}

func (p *scriptedProcessor) Process(ctx context.Context, in []connectors.Record) ([]connectors.Output, []connectors.Result, error) {
	select {
	case <-time.After(p.delay):
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.seen = map[string]int{}
	}
	for i := range p.memory {
		p.memory[i] = '?'
	}
	p.memory = nil
	var call []string
	for _, r := range in {
		call = append(call, string(r.Payload))
	}
	p.calls = append(p.calls, call)
	if err := next(&p.fail); err != nil {
		return nil, nil, err
	}
	results := make([]connectors.Result, len(in))
	var outputs []connectors.Output
	emit := func(i int, text string) {
		at := len(p.memory)
		p.memory = append(p.memory, text...)
		outputs = append(outputs, connectors.Output{Input: i, Record: connectors.Record{Topic: outTopic, Payload: p.memory[at:len(p.memory):len(p.memory)]}})
	}
	for i, r := range in {
		verb, arg, _ := strings.Cut(string(r.Payload), " ")
		p.seen[string(r.Payload)]++
		times := 0
		fmt.Sscan(arg, &times)
		tried := p.seen[string(r.Payload)]
		switch {
		case verb == "drop":
		case verb == "reject":
			results[i] = connectors.Result{Verdict: connectors.Reject, Reason: "not wanted"}
		case verb == "again" && tried <= times:
			results[i] = connectors.Result{Verdict: connectors.Again, Reason: "not yet"}
		case verb == "trap" && tried <= times:
			return nil, nil, errTrap
		case verb == "double":
			emit(i, string(r.Payload)+" 1")
			emit(i, string(r.Payload)+" 2")
		case verb == "many":
			for range p.many {
				emit(i, "m")
			}
		default:
			emit(i, string(r.Payload))
		}
	}
	return outputs, results, nil
}

// callList is the payloads of each call.
func (p *scriptedProcessor) callList() [][]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.calls)
}

// tries is how often a payload was processed.
func (p *scriptedProcessor) tries(payload string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[payload]
}

func (p *scriptedProcessor) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	return nil
}

// scene is a loop between scripted ends, in fake time.
type scene struct {
	*Loop
	t    *testing.T
	src  *scriptedSource
	proc *scriptedProcessor
	sink *scriptedSink
}

func (s *scene) options() Options {
	o := Options{
		Spec:   functions.Spec{FQName: functions.FQName{Tenant: "t", Namespace: "n", Name: "f"}, Kind: functions.KindFunction, Output: outTopic, Generation: 3},
		Source: s.src, Sink: s.sink,
	}
	if s.proc != nil {
		o.Processor = s.proc
	}
	return o
}

// play starts a loop of the scene and runs f beside it; afterwards the loop is stopped.
func play(t *testing.T, s *scene, change func(*Options), f func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.t = t
		if s.sink == nil {
			s.sink = &scriptedSink{}
		}
		if s.src.more != nil { // channels belong to the bubble they were made in
			s.src.more = make(chan struct{}, 1)
		}
		o := s.options()
		if change != nil {
			change(&o)
		}
		l, err := Start(o)
		if err != nil {
			t.Fatal(err)
		}
		s.Loop = l
		f()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := l.Stop(ctx); err != nil {
			t.Error(err)
		}
		if ctx.Err() != nil {
			t.Error("the loop did not drain")
		}
		if !s.src.closed || !s.sink.closed || s.proc != nil && !s.proc.closed {
			t.Error("something was not closed")
		}
		if m := l.Metrics(); l.status.final == nil && len(s.src.unacked()) == 0 && (m.InFlight != 0 || m.InFlightBytes != 0) {
			t.Errorf("after the end %d records of %d bytes are in flight", m.InFlight, m.InFlightBytes)
		}
	})
	s.t = t
}

// settle lets everything happen that happens without time, then that much time pass.
func (s *scene) wait(d time.Duration) {
	synctest.Wait()
	time.Sleep(d)
	synctest.Wait()
}

func (s *scene) state() functions.Status {
	st, ok := s.Status()
	if !ok {
		s.t.Error("the loop does not know its status")
	}
	return st
}

// expect compares the payloads of a topic, in order.
func (s *scene) expect(topic string, want ...string) {
	s.t.Helper()
	if got := s.sink.payloads(topic); !slices.Equal(got, want) {
		s.t.Errorf("%s has\n  %q, want\n  %q", topic, got, want)
	}
}

func (s *scene) expectAllAcked() {
	s.t.Helper()
	if left := s.src.unacked(); len(left) != 0 {
		s.t.Errorf("%q are not acknowledged", left)
	}
}

func numbers(n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf("m%03d", i))
	}
	return list
}
