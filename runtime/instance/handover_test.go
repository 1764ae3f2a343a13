package instance_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/broker/brokertest"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/instance"
	"github.com/strobemq/strobe/runtime/topicio"
)

const (
	inTopic  = "persistent://public/default/in"
	outTopic = "persistent://public/default/out"
)

// agreed is what the instances of a function share.
type agreed struct {
	mu     sync.Mutex
	values map[string][]byte
}

func (a *agreed) Load(_ context.Context, key string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.values[key], nil
}

func (a *agreed) Swap(_ context.Context, key string, old, new []byte) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if bytes.Equal(a.values[key], old) {
		a.values[key] = bytes.Clone(new)
	}
	return a.values[key], nil
}

// deployment is a function with instances that come and go.
type deployment struct {
	t       *testing.T
	broker  *brokertest.Broker
	shared  agreed
	arrived chan struct{} // a token: something was written
}

type running struct {
	*instance.Loop
	client *topicio.Client
	sink   *gate
}

// doubler makes two outputs of each input, rejects some, drops some.
type doubler struct{}

func (doubler) Close() error { return nil }
func (doubler) Process(_ context.Context, in []connectors.Record) (outputs []connectors.Output, results []connectors.Result, err error) {
	results = make([]connectors.Result, len(in))
	for i, r := range in {
		n, _ := strconv.Atoi(string(r.Payload))
		switch {
		case n%50 == 7:
			results[i] = connectors.Result{Verdict: connectors.Reject, Reason: "seven"}
		case n%50 != 11:
			for j := range 2 {
				outputs = append(outputs, connectors.Output{Input: i, Record: connectors.Record{Topic: outTopic, Payload: fmt.Appendf(nil, "%s.%d", r.Payload, j), Key: r.Key, HasKey: r.HasKey}})
			}
		}
	}
	return outputs, results, nil
}

// gate is a sink whose writes can be stopped just before they begin.
type gate struct {
	*topicio.Sink
	shut    sync.Mutex
	waiting chan struct{} // a token: a write waits
	arrived chan struct{}
}

func (g *gate) Write(ctx context.Context, records []connectors.Record) error {
	if !g.shut.TryLock() {
		token(g.waiting)
		g.shut.Lock()
	}
	g.shut.Unlock()
	defer token(g.arrived)
	return g.Sink.Write(ctx, records)
}

func token(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (d *deployment) start(index int) *running {
	d.t.Helper()
	c := topicio.NewClient(d.broker.URL)
	g := &gate{Sink: topicio.NewSink(topicio.SinkOptions{Client: c, MaxBatch: 7}), waiting: make(chan struct{}, 1), arrived: d.arrived}
	l, err := instance.Start(instance.Options{
		Index:     index,
		Spec:      functions.Spec{FQName: functions.FQName{Tenant: "public", Namespace: "default", Name: "f"}, Kind: functions.KindFunction, Output: outTopic, Guarantee: "effectively-once"},
		Processor: doubler{}, Sink: g, CallRecords: 5, MaxRecords: 200, ConnectBackoff: instance.Backoff{First: time.Millisecond, Most: 20 * time.Millisecond},
		Source: topicio.NewSource(topicio.SourceOptions{Client: c, Topics: []string{inTopic}, Incarnations: topicio.NewIncarnations(&d.shared),
			Subscription: topicio.Subscription{Name: "f", Ordered: true, Earliest: true, Consumer: fmt.Sprint("f-", index)}}),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return &running{l, c, g}
}

// stop ends an instance in order; kill cuts its connections and abandons what it has.
func (r *running) stop(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.Stop(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("stop: %v, in time: %v", err, ctx.Err() == nil)
	}
	r.client.Close()
}

func (r *running) kill() {
	r.client.Close()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.Stop(now)
	r.client.Close()
}

func deploy(t *testing.T, partitions map[string]int) *deployment {
	d := &deployment{t: t, shared: agreed{values: map[string][]byte{}}, arrived: make(chan struct{}, 1)}
	d.broker = brokertest.Start(t, brokertest.Options{Partitions: partitions, Settings: func(topic.Name) topic.Settings { return topic.Settings{Dedup: true} }})
	return d
}

// publish sends the numbers from up to to, in lots, so that they come in several entries.
func (d *deployment) publish(from, to int) {
	d.t.Helper()
	c := topicio.NewClient(d.broker.URL)
	defer c.Close()
	s := topicio.NewSink(topicio.SinkOptions{Client: c, MaxBatch: 10})
	defer s.Close()
	var records []connectors.Record
	for n := from; n < to; n++ {
		records = append(records, connectors.Record{Topic: inTopic, Payload: fmt.Append(nil, n), Key: fmt.Append(nil, n%97), HasKey: true})
	}
	err := s.Connect(d.t.Context())
	if err == nil {
		err = s.Write(d.t.Context(), records)
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// everything reads both output topics until all results of the first n numbers are there and says what is wrong with them: each must be there
// once, and those of one key in order.
func (d *deployment) everything(n int) {
	d.t.Helper()
	want := map[string]bool{}
	for i := range n {
		switch {
		case i%50 == 7:
			want[fmt.Sprint("dead ", i)] = true
		case i%50 != 11:
			want[fmt.Sprint(i, ".0")], want[fmt.Sprint(i, ".1")] = true, true
		}
	}
	c := topicio.NewClient(d.broker.URL)
	defer c.Close()
	dead := functions.DeadLetterTopic(functions.FQName{Tenant: "public", Namespace: "default", Name: "f"})
	s := topicio.NewSource(topicio.SourceOptions{Client: c, Topics: []string{outTopic, dead}, Subscription: topicio.Subscription{Name: "check", Ordered: true, Earliest: true}})
	defer s.Close()
	if err := s.Connect(d.t.Context()); err != nil {
		d.t.Fatal(err)
	}
	seen := map[string]int{}
	last := map[string]string{}
	ctx, cancel := context.WithTimeout(d.t.Context(), 40*time.Second)
	defer cancel()
	for len(seen) < len(want) {
		b, err := s.Read(ctx)
		if err != nil {
			missing := slices.Sorted(maps.Keys(want))
			missing = slices.DeleteFunc(missing, func(name string) bool { return seen[name] > 0 })
			d.t.Fatalf("%d of %d results: %v; missing %.300q", len(seen), len(want), err, missing)
		}
		for _, r := range b.Records {
			name := string(r.Payload)
			if r.Topic == dead {
				name = "dead " + name
			} else {
				if before := last[string(r.Key)]; before != "" && order(before) >= order(name) {
					d.t.Errorf("key %s: %s after %s", r.Key, name, before)
				}
				last[string(r.Key)] = name
			}
			if seen[name]++; seen[name] > 1 || !want[name] {
				d.t.Errorf("%s is there %d times", name, seen[name])
			}
		}
	}
}

func order(name string) int {
	n, j, _ := strings.Cut(name, ".")
	a, _ := strconv.Atoi(n)
	b, _ := strconv.Atoi(j)
	return 2*a + b
}

// waitFor waits for a condition that changes when something is written.
func (d *deployment) waitFor(what string, condition func() bool) {
	d.t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-d.arrived:
		case <-tick.C:
		case <-deadline:
			d.t.Fatalf("not in time: %s", what)
		}
	}
}

func written(list ...*running) (n int64) {
	for _, r := range list {
		st, _ := r.Status()
		n += st.Written
	}
	return n
}

// Two instances overlap: the first has results of all partitions in its hands when the second takes over a half of them and goes on. What
// the first still holds of that half is given up, neither doubled nor lost, and it goes on with its own.
func TestAnInstanceThatIsLateDoesNotWriteForAnother(t *testing.T) {
	d := deploy(t, map[string]int{inTopic: 4, outTopic: 3})
	d.publish(0, 200)
	first := d.start(0)
	defer first.stop(t)
	d.waitFor("first results", func() bool { return written(first) > 100 })
	first.sink.shut.Lock()
	d.publish(200, 600)
	<-first.sink.waiting
	second := d.start(1)
	defer second.stop(t)
	d.waitFor("results of the second", func() bool { return written(second) > 100 })
	first.sink.shut.Unlock()
	d.publish(600, 800)
	d.everything(800)
	if st, _ := first.Status(); st.State != functions.StateRunning || st.Written == 0 {
		t.Errorf("the first: %+v", st)
	}
}

// One topic without partitions: one instance works, the others stand by, and take over when it dies.
func TestStandby(t *testing.T) {
	d := deploy(t, nil)
	instances := []*running{d.start(0), d.start(1), d.start(2)}
	d.waitFor("all to be there: who comes later may be the one that works", func() bool {
		return !slices.ContainsFunc(instances, func(r *running) bool { st, _ := r.Status(); return st.State != functions.StateRunning })
	})
	for n := range 3 {
		d.publish(n*200, n*200+200)
		at := -1
		d.waitFor("results", func() bool {
			at = slices.IndexFunc(instances, func(r *running) bool { return written(r) > 100 })
			return at >= 0
		})
		for i, r := range instances {
			if i != at && written(r) > 0 {
				t.Error("two instances write")
			}
		}
		instances[at].kill()
		instances = slices.Delete(instances, at, at+1)
	}
	last := d.start(3)
	defer last.stop(t)
	d.everything(600)
}

// Instances come, go, die and lose their connections, and the broker dies, while messages come in: each result is there once.
func TestEachResultOnceWhoeverMadeIt(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { chaosOfInstances(t, seed) })
	}
}

func chaosOfInstances(t *testing.T, seed uint64) {
	const rounds, lot = 25, 120
	d := deploy(t, map[string]int{inTopic: 4, outTopic: 3})
	r := rand.New(rand.NewPCG(seed, 7))
	instances := map[int]*running{0: d.start(0)}
	for round := range rounds {
		d.publish(round*lot, round*lot+lot)
		index := r.IntN(4)
		in := instances[index]
		switch what := r.IntN(10); {
		case in == nil:
			instances[index] = d.start(index)
		case what < 3:
			in.stop(t)
			delete(instances, index)
		case what < 6:
			in.kill()
			delete(instances, index)
		case what < 9:
			in.client.Close() // its connections; it makes new ones
		default:
			d.broker.Kill()
		}
		for range r.IntN(4) { // so that what comes next finds them in the middle of something
			select {
			case <-d.arrived:
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	if len(instances) == 0 {
		instances[9] = d.start(9)
	}
	d.everything(rounds * lot)
	for _, in := range instances {
		in.stop(t)
	}
}
