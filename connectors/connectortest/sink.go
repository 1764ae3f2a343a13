package connectortest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// SinkSuite is a sink under test and its external system, which lives through all of the kit's faults.
type SinkSuite struct {
	Name string
	// New makes the sink, not connected. Every call is a new process.
	New func(env connectors.Env) (connectors.Sink, error)
	// Read returns what the external system holds, in the order it arrived there.
	Read func(ctx context.Context) ([]Row, error)
	// Refuse, when not nil, makes the external system refuse, once each, the rows with these values.
	Refuse func(values []string)
	// Disturb, when not nil, takes the external system away hard and brings it back; what it had acknowledged it still has.
	Disturb func() error
	Secret  func(ref string) (string, error)
	// Guarantee is what is asked of the sink. Effectively once: records that are written again, with the numbers they had, are there once.
	Guarantee connectors.Guarantee
	// Patience is how long the kit waits for a call; 0: ten seconds.
	Patience time.Duration
}

// RunSink runs every fault, each as a test of its own, one after the other on the same external system.
func RunSink(t *testing.T, s SinkSuite) {
	run := &sinkRun{suite: s}
	for _, f := range sinkFaults {
		t.Run(f.name, func(t *testing.T) {
			if f.disturbs && s.Disturb == nil || f.refuses && s.Refuse == nil {
				t.Skip("the external system cannot be made to do this")
			}
			for _, wrong := range run.check(t.Context(), f.drive) {
				t.Error(wrong)
			}
		})
	}
}

// sinkFaults are what the kit does to a sink.
var sinkFaults = []struct {
	name              string
	drive             func(*sinkRun, context.Context) error
	disturbs, refuses bool
}{
	{name: "all is well", drive: (*sinkRun).well},
	{name: "killed after every write", drive: (*sinkRun).kill},
	{name: "written twice", drive: (*sinkRun).twice},
	{name: "write is cancelled", drive: (*sinkRun).cancelled},
	{name: "misused", drive: (*sinkRun).misuse},
	{name: "rows are refused", drive: (*sinkRun).refused, refuses: true},
	{name: "external system dies", drive: (*sinkRun).disturb, disturbs: true},
}

// sinkRun is the state of one suite.
type sinkRun struct {
	suite   SinkSuite
	maker   maker
	next    uint64 // sequence of the next record
	written []Row  // acknowledged by the sink, in order
}

// check drives one fault and compares the external system with everything that the sink acknowledged.
func (r *sinkRun) check(ctx context.Context, drive func(*sinkRun, context.Context) error) []string {
	patience := r.suite.Patience
	if patience == 0 {
		patience = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var wrong []string
	if err := drive(r, ctx); err != nil {
		wrong = append(wrong, err.Error())
	}
	have, err := r.suite.Read(ctx)
	if err != nil {
		return append(wrong, fmt.Sprintf("reading the external system: %v", err))
	}
	there := newTopics()
	for _, row := range have {
		there.kept = append(there.kept, delivery{key: row.Key, value: row.Value})
	}
	return append(wrong, there.judge(r.written, r.suite.Guarantee == connectors.EffectivelyOnce)...)
}

// records makes count new records.
func (r *sinkRun) records(count int) ([]connectors.Record, []Row) {
	rows := r.maker.rows(count)
	list := make([]connectors.Record, count)
	for i, row := range rows {
		r.next++
		list[i] = connectors.Record{Topic: "persistent://public/default/t", Key: []byte(row.Key), HasKey: true, Payload: []byte(row.Value), Sequence: r.next}
	}
	return list, rows
}

func (r *sinkRun) open(ctx context.Context) (connectors.Sink, error) {
	sink, err := r.suite.New(env(r.suite.Name, &Store{}, r.suite.Secret))
	if err != nil {
		return nil, err
	}
	for {
		err := sink.Connect(ctx)
		if err == nil || connectors.ClassOf(err) != connectors.Retry || ctx.Err() != nil {
			return sink, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// write writes new records and notes them as acknowledged. Their memory is overwritten afterwards, which the sink must not notice.
func (r *sinkRun) write(ctx context.Context, sink connectors.Sink, count int) error {
	records, rows := r.records(count)
	if err := sink.Write(ctx, records); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	for _, rec := range records {
		clear(rec.Key)
		clear(rec.Payload)
	}
	r.written = append(r.written, rows...)
	return nil
}

func (r *sinkRun) well(ctx context.Context) error {
	sink, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer sink.Close()
	for _, n := range []int{1, 2, 7, 1} {
		if err := r.write(ctx, sink, n); err != nil {
			return err
		}
	}
	return sink.Close()
}

// kill ends one process after another as soon as a write was acknowledged, without Close: what was acknowledged is there.
func (r *sinkRun) kill(ctx context.Context) error {
	for range 3 {
		sink, err := r.open(ctx)
		if err != nil {
			return err
		}
		defer sink.Close() // the test's own process lives on, and lets go of it at the end
		if err := r.write(ctx, sink, rowsPerLife); err != nil {
			return err
		}
		have, err := r.suite.Read(ctx)
		if err != nil {
			return err
		}
		there := map[string]bool{}
		for _, row := range have {
			there[row.Value] = true
		}
		for _, row := range r.written {
			if !there[row.Value] {
				return fmt.Errorf("row %s was acknowledged and is not there", row.Value)
			}
		}
	}
	return nil
}

// twice writes records again that are there already, as after an acknowledgement that was lost.
func (r *sinkRun) twice(ctx context.Context) error {
	records, rows := r.records(rowsPerLife)
	for range 2 {
		sink, err := r.open(ctx)
		if err != nil {
			return err
		}
		if err := sink.Write(ctx, records); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := sink.Close(); err != nil {
			return err
		}
	}
	r.written = append(r.written, rows...)
	return nil
}

// cancelled gives up a write; the sink must say so, and be usable again.
func (r *sinkRun) cancelled(ctx context.Context) error {
	sink, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer sink.Close()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	records, rows := r.records(2)
	if err := sink.Write(gone, records); err == nil {
		r.written = append(r.written, rows...) // it may well have been quicker
	}
	if err := sink.Connect(ctx); err != nil {
		return fmt.Errorf("connecting again: %w", err)
	}
	return r.write(ctx, sink, 2)
}

func (r *sinkRun) misuse(ctx context.Context) error {
	sink, err := r.suite.New(env(r.suite.Name, &Store{}, r.suite.Secret))
	if err != nil {
		return err
	}
	for range 2 {
		if err := sink.Close(); err != nil {
			return fmt.Errorf("close without connect: %w", err)
		}
	}
	if sink, err = r.open(ctx); err != nil {
		return err
	}
	if err := r.write(ctx, sink, 1); err != nil {
		return err
	}
	for range 2 {
		if err := sink.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	return nil
}

// refused lets single rows fail: the error must name just these, and all others must be there.
func (r *sinkRun) refused(ctx context.Context) error {
	sink, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer sink.Close()
	records, rows := r.records(6)
	r.suite.Refuse([]string{rows[1].Value, rows[4].Value})
	err = sink.Write(ctx, records)
	var failed *connectors.BatchError
	if !errors.As(err, &failed) || len(failed.Failed) != 2 || failed.Failed[1] == nil || failed.Failed[4] == nil {
		return fmt.Errorf("rows 1 and 4 of 6 were refused and the sink says %v", err)
	}
	if err := sink.Write(ctx, []connectors.Record{records[1], records[4]}); err != nil {
		return fmt.Errorf("writing refused rows again: %w", err)
	}
	// The refused ones came behind; each key's own order is judged by what arrived first.
	for _, i := range []int{0, 2, 3, 5, 1, 4} {
		r.written = append(r.written, rows[i])
	}
	return nil
}

// disturb takes the external system away between two writes and writes again until it is back.
func (r *sinkRun) disturb(ctx context.Context) error {
	sink, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer func() { sink.Close() }()
	if err := r.write(ctx, sink, 3); err != nil {
		return err
	}
	if err := r.suite.Disturb(); err != nil {
		return fmt.Errorf("disturbing: %w", err)
	}
	records, rows := r.records(3)
	for {
		err := sink.Write(ctx, records)
		if err == nil {
			r.written = append(r.written, rows...)
			return nil
		}
		if connectors.ClassOf(err) != connectors.Retry || ctx.Err() != nil {
			return fmt.Errorf("after the external system came back: %w", err)
		}
		if err := sink.Connect(ctx); err != nil && connectors.ClassOf(err) != connectors.Retry {
			return fmt.Errorf("connecting again: %w", err)
		}
	}
}
