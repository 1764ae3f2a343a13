package connectortest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// shelf is the smallest external system for a sink.
type shelf struct {
	rows   []Row
	refuse []string
	epoch  int
}

const (
	saysTooEarly   mutant = "acknowledges before it has written"
	keepsMemory    mutant = "keeps the records' memory"
	writesTwice    mutant = "does not know what it wrote before"
	writesReversed mutant = "writes from the back"
	blamesAll      mutant = "says that all rows failed"
	hidesFailures  mutant = "hides refused rows"
	staysBroken    mutant = "stays broken after the external system came back"
	closesOnce     mutant = "cannot be closed twice"
)

type tinySink struct {
	s       *shelf
	mutant  mutant
	epoch   int
	waiting []connectors.Record
	up      bool
	closed  bool
}

func (k *tinySink) Connect(context.Context) error {
	if k.mutant != staysBroken || k.epoch == 0 {
		k.epoch = k.s.epoch
	}
	k.up = true
	return nil
}

func (k *tinySink) Write(ctx context.Context, records []connectors.Record) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if !k.up || k.epoch != k.s.epoch {
		return errors.New("not connected")
	}
	switch k.mutant {
	case saysTooEarly:
		records, k.waiting = k.waiting, slices.Clone(records)
	case keepsMemory:
		if len(k.waiting) > 0 {
			k.s.rows = k.s.rows[:len(k.s.rows)-len(k.waiting)]
			k.put(k.waiting)
		}
		k.waiting = slices.Clone(records)
	case writesReversed:
		records = slices.Clone(records)
		slices.Reverse(records)
	}
	return k.put(records)
}

func (k *tinySink) put(records []connectors.Record) error {
	failed := map[int]error{}
	for i, r := range records {
		value := string(r.Payload)
		if at := slices.Index(k.s.refuse, value); at >= 0 {
			k.s.refuse = slices.Delete(k.s.refuse, at, at+1)
			failed[i] = errors.New("refused")
			continue
		}
		if slices.ContainsFunc(k.s.rows, func(row Row) bool { return row.Value == value }) && k.mutant != writesTwice {
			continue
		}
		k.s.rows = append(k.s.rows, Row{Key: string(r.Key), Value: value})
	}
	switch {
	case len(failed) == 0 || k.mutant == hidesFailures:
		return nil
	case k.mutant == blamesAll:
		return errors.New("some rows failed")
	}
	return &connectors.BatchError{Failed: failed}
}

func (k *tinySink) Close() error {
	if k.closed && k.mutant == closesOnce {
		return errors.New("closed twice")
	}
	k.closed, k.up = true, false
	if k.mutant == saysTooEarly {
		k.put(k.waiting)
		k.waiting = nil
	}
	return nil
}

func tinySinkSuite(m mutant) SinkSuite {
	s := &shelf{epoch: 1}
	return SinkSuite{
		Name:      "tiny",
		New:       func(connectors.Env) (connectors.Sink, error) { return &tinySink{s: s, mutant: m}, nil },
		Read:      func(context.Context) ([]Row, error) { return s.rows, nil },
		Refuse:    func(values []string) { s.refuse = slices.Clone(values) },
		Disturb:   func() error { s.epoch++; return nil },
		Guarantee: connectors.EffectivelyOnce,
		Patience:  300 * time.Millisecond,
	}
}

func TestReferenceSinkPasses(t *testing.T) { RunSink(t, tinySinkSuite(correct)) }

func TestEverySinkMutantIsFound(t *testing.T) {
	for _, m := range []mutant{saysTooEarly, keepsMemory, writesTwice, writesReversed, blamesAll, hidesFailures, staysBroken, closesOnce} {
		t.Run(string(m), func(t *testing.T) {
			run := &sinkRun{suite: tinySinkSuite(m)}
			var found []string
			for _, f := range sinkFaults {
				for _, wrong := range run.check(t.Context(), f.drive) {
					found = append(found, f.name+": "+wrong)
				}
			}
			if len(found) == 0 {
				t.Error("the kit found nothing")
			} else {
				t.Log(found[0])
			}
		})
	}
}
