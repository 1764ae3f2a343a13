package connectortest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// SourceSuite is a source under test and its external system, which lives through all of the kit's faults.
type SourceSuite struct {
	Name string
	// New makes the source, not connected. Every call is a new process: only what env.Checkpoints stored is left of the former.
	New func(env connectors.Env) (connectors.Source, error)
	// Write puts rows into the external system in this order; when it returns, they are there for good.
	Write func(ctx context.Context, rows []Row) error
	// Disturb, when not nil, takes the external system away hard and brings it back.
	Disturb func() error
	// Elsewhere, when not nil, has something happen in the external system that is none of the source's business but moves its positions.
	Elsewhere func(ctx context.Context) error
	Secret    func(ref string) (string, error)
	// Guarantee is what is asked of the source. At least once: rows may come again and need no numbers.
	Guarantee connectors.Guarantee
	// Patience is how long the kit waits for a row; 0: ten seconds.
	Patience time.Duration
}

func (s SourceSuite) patience() time.Duration {
	if s.Patience == 0 {
		return 10 * time.Second
	}
	return s.Patience
}

// RunSource runs every fault, each as a test of its own, one after the other on the same external system.
func RunSource(t *testing.T, s SourceSuite) {
	run := &sourceRun{suite: s, store: &Store{}, topics: newTopics()}
	for _, f := range sourceFaults {
		t.Run(f.name, func(t *testing.T) {
			if f.disturbs && s.Disturb == nil {
				t.Skip("nothing to disturb")
			}
			for _, wrong := range run.check(t.Context(), f.drive) {
				t.Error(wrong)
			}
		})
	}
}

// sourceFaults are what the kit does to a source.
var sourceFaults = []struct {
	name     string
	drive    func(*sourceRun, context.Context) error
	disturbs bool
}{
	{name: "all is well", drive: (*sourceRun).well},
	{name: "killed at every step", drive: (*sourceRun).killEverywhere},
	{name: "positions are refused", drive: (*sourceRun).refusePositions},
	{name: "acknowledged late and out of order", drive: (*sourceRun).lateAcks},
	{name: "never acknowledged", drive: (*sourceRun).neverAcked},
	{name: "one topic takes nothing", drive: (*sourceRun).stuckTopic},
	{name: "misused", drive: (*sourceRun).misuse},
	{name: "external system dies", drive: (*sourceRun).disturb, disturbs: true},
}

// sourceRun is the state of one suite: everything ever written, and everything that arrived.
type sourceRun struct {
	suite  SourceSuite
	store  *Store
	topics *topics
	maker  maker
	rows   []Row
}

// check drives one fault, lets the source recover, and judges all that was written up to now.
func (r *sourceRun) check(ctx context.Context, drive func(*sourceRun, context.Context) error) []string {
	var wrong []string
	if err := drive(r, ctx); err != nil {
		wrong = append(wrong, err.Error())
	}
	if err := r.recover(ctx); err != nil {
		wrong = append(wrong, err.Error())
	}
	wrong = append(wrong, r.topics.judge(r.rows, r.suite.Guarantee == connectors.EffectivelyOnce)...)
	r.topics.wrong = nil
	return wrong
}

func (r *sourceRun) write(ctx context.Context, n int) error {
	rows := r.maker.rows(n)
	if err := r.suite.Write(ctx, rows); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	r.rows = append(r.rows, rows...)
	return nil
}

// process is one life of the source, from its start to its end.
type process struct {
	run    *sourceRun
	source connectors.Source
	store  *Store
	step   int
	dieAt  int // the step that is never done; 0: none
}

var errKilled = errors.New("killed")

// at is one step: the process may die here.
func (p *process) at(string) error {
	if p.step++; p.step == p.dieAt {
		p.store.Kill()
		return errKilled
	}
	return nil
}

// begin starts a new process on what the last one stored.
func (r *sourceRun) begin(dieAt int) (*process, error) {
	r.store = r.store.Survivor()
	source, err := r.suite.New(env(r.suite.Name, r.store, r.suite.Secret))
	if err != nil {
		return nil, err
	}
	return &process{run: r, source: source, store: r.store, dieAt: dieAt}, nil
}

// connect tries until it works, as the loop would: an error that passes is not the source's fault.
func (p *process) connect(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.run.suite.patience())
	defer cancel()
	for {
		err := p.source.Connect(ctx)
		if err == nil || connectors.ClassOf(err) != connectors.Retry || p.storeDead() {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("connect: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (p *process) storeDead() bool {
	p.store.mu.Lock()
	defer p.store.mu.Unlock()
	return p.store.dead
}

// read reads one batch, connecting again when the connection breaks.
func (p *process) read(ctx context.Context) (connectors.Batch, error) {
	ctx, cancel := context.WithTimeout(ctx, p.run.suite.patience())
	defer cancel()
	for {
		b, err := p.source.Read(ctx)
		if err == nil && len(b.Records) == 0 {
			return b, errors.New("a batch without records and without an error")
		}
		if err == nil || ctx.Err() != nil || connectors.ClassOf(err) != connectors.Retry {
			return b, err
		}
		if p.storeDead() {
			return b, errKilled
		}
		if err := p.connect(ctx); err != nil {
			return b, err
		}
	}
}

// finish delivers and acknowledges a batch in two parts: first the keys of one half, which with a topic for each key may well be done
// before the records between them. The process may die in between.
func (p *process) finish(ctx context.Context, b connectors.Batch) error {
	var parts [2][]int
	for i, rec := range b.Records {
		part := 0
		if len(rec.Key) > 0 {
			part = int(rec.Key[len(rec.Key)-1]) & 1
		}
		parts[part] = append(parts[part], i)
	}
	if err := p.at("after read"); err != nil {
		return err
	}
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		for n, i := range part {
			p.run.topics.deliver(b.Records[i])
			if n == 0 {
				if err := p.at("after the first delivery"); err != nil {
					return err
				}
			}
		}
		if err := p.at("before ack"); err != nil {
			return err
		}
		if err := b.Ack(ctx, part); err != nil {
			return fmt.Errorf("ack: %w", err)
		}
		if err := p.at("after ack"); err != nil {
			return err
		}
	}
	return nil
}

// deliver gives all records of a batch to the topics.
func (p *process) deliver(b connectors.Batch) {
	for _, rec := range b.Records {
		p.run.topics.deliver(rec)
	}
}

// live is a whole life: it delivers and acknowledges until the topics have everything.
func (p *process) live(ctx context.Context) error {
	defer p.source.Close()
	if err := p.at("before connect"); err != nil {
		return err
	}
	if err := p.connect(ctx); err != nil {
		return p.orKilled(err)
	}
	if err := p.at("after connect"); err != nil {
		return err
	}
	for p.run.topics.missing(p.run.rows) > 0 {
		b, err := p.read(ctx)
		if err != nil {
			return p.orKilled(fmt.Errorf("read, with %d rows to come: %w", p.run.topics.missing(p.run.rows), err))
		}
		if err := p.finish(ctx, b); err != nil {
			return p.orKilled(err)
		}
	}
	if err := p.at("before close"); err != nil {
		return err
	}
	return p.orKilled(p.source.Close())
}

// orKilled is errKilled when the process died meanwhile: then nothing it says counts.
func (p *process) orKilled(err error) error {
	if err != nil && p.storeDead() {
		return errKilled
	}
	return err
}

// recover is the life after a fault, without any.
func (r *sourceRun) recover(ctx context.Context) error {
	p, err := r.begin(0)
	if err != nil {
		return err
	}
	if err := p.live(ctx); err != nil {
		return fmt.Errorf("afterwards: %w", err)
	}
	return nil
}
