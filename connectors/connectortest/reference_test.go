package connectortest

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// queue is the smallest external system: rows in order, kept until they are confirmed.
type queue struct {
	mu        sync.Mutex
	rows      []Row
	confirmed int // rows before it are gone
	arrived   chan struct{}
	epoch     int // connections of an earlier epoch are broken
}

func (q *queue) write(_ context.Context, rows []Row) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.rows = append(q.rows, rows...)
	close(q.arrived)
	q.arrived = make(chan struct{})
	return nil
}

func (q *queue) disturb() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.epoch++
	close(q.arrived)
	q.arrived = make(chan struct{})
	return nil
}

// mutant is a way for a source to be wrong.
type mutant string

const (
	correct         mutant = "correct"
	confirmsFirst   mutant = "confirms before it has stored"
	movesOnRead     mutant = "moves its position when it reads"
	movesOverHoles  mutant = "moves its position over what is not acknowledged"
	numbersFromZero mutant = "numbers from zero after a restart"
	dropsOnRefusal  mutant = "goes on after a refused position"
	movesWhenIdle   mutant = "moves its position to the end when it is idle"
	swapsRows       mutant = "swaps two rows"
	losesLateAcks   mutant = "takes acknowledgements of the former connection for the new one"
	readsForever    mutant = "does not end a read with its context"
)

// tinySource reads a queue. The position is how many rows are done, and the number of the last; row n after it has its number + n.
type tinySource struct {
	q      *queue
	env    connectors.Env
	mutant mutant

	mu    sync.Mutex
	start int // row the connection began at
	read  int // rows handed out
	done  []bool
	saved int
	base  int // what a row's number is above its place
	epoch int
	up    bool
	life  int
	err   error
}

func (s *tinySource) Connect(ctx context.Context) error {
	value, err := s.env.Checkpoints.Load(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = 0
	if value != nil {
		s.saved = int(binary.BigEndian.Uint64(value))
	}
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	s.epoch = s.q.epoch
	s.start = max(s.saved, s.q.confirmed) // what is confirmed is gone
	s.base = s.saved - s.start
	s.read, s.done, s.up, s.err = s.start, make([]bool, s.start, 1000), true, nil
	s.life++
	for i := range s.done {
		s.done[i] = true
	}
	return nil
}

const tinyBatch = 3

func (s *tinySource) Read(ctx context.Context) (connectors.Batch, error) {
	for {
		s.mu.Lock()
		s.q.mu.Lock()
		arrived, broken := s.q.arrived, s.epoch != s.q.epoch
		rows := s.q.rows[min(s.read, len(s.q.rows)):]
		s.q.mu.Unlock()
		err, up := s.err, s.up
		s.mu.Unlock()
		if err != nil || broken || !up {
			return connectors.Batch{}, errors.Join(errors.New("the connection is broken"), err)
		}
		if len(rows) > 0 {
			return s.batch(rows[:min(tinyBatch, len(rows))]), nil
		}
		done := ctx.Done()
		if s.mutant == readsForever {
			done = nil
		}
		select {
		case <-arrived:
		case <-done:
			if s.mutant == movesWhenIdle {
				s.mu.Lock()
				s.storeLocked(context.Background(), s.read)
				s.mu.Unlock()
			}
			return connectors.Batch{}, ctx.Err()
		case <-time.After(2 * time.Second):
			return connectors.Batch{}, errors.New("waited long enough")
		}
	}
}

func (s *tinySource) batch(rows []Row) connectors.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	first, life := s.read, s.life
	var b connectors.Batch
	for i, row := range rows {
		number := s.base + first + i + 1
		if s.mutant == numbersFromZero {
			number -= s.start
		}
		b.Records = append(b.Records, connectors.Record{Topic: "t", Key: []byte(row.Key), HasKey: true, Payload: []byte(row.Value), Sequence: uint64(number)})
		s.done = append(s.done, false)
	}
	if s.mutant == swapsRows && len(rows) > 1 {
		r := b.Records
		r[0].Key, r[1].Key, r[0].Payload, r[1].Payload = r[1].Key, r[0].Key, r[1].Payload, r[0].Payload
	}
	s.read += len(rows)
	b.Ack = func(ctx context.Context, done []int) error { return s.ack(ctx, life, first, len(rows), done) }
	if s.mutant == movesOnRead {
		s.storeLocked(context.Background(), s.read)
	}
	return b
}

func (s *tinySource) ack(ctx context.Context, life, first, count int, done []int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if life != s.life {
		if s.mutant != losesLateAcks {
			return nil
		}
		first, count = s.start, s.read-s.start
	}
	if done == nil {
		for i := range count {
			done = append(done, i)
		}
	}
	for _, i := range done {
		for len(s.done) <= first+i {
			s.done = append(s.done, false)
		}
		s.done[first+i] = true
	}
	upTo := s.saved
	for upTo < len(s.done) && s.done[upTo] {
		upTo++
	}
	if s.mutant == movesOverHoles {
		upTo = max(upTo, first+done[len(done)-1]+1)
	}
	if upTo > s.saved {
		s.storeLocked(ctx, upTo)
	}
	return nil
}

func (s *tinySource) storeLocked(ctx context.Context, upTo int) {
	confirm := func() {
		s.q.mu.Lock()
		s.q.confirmed = max(s.q.confirmed, upTo)
		s.q.mu.Unlock()
	}
	if s.mutant == confirmsFirst {
		confirm()
	}
	if err := s.env.Checkpoints.Save(ctx, binary.BigEndian.AppendUint64(nil, uint64(upTo))); err != nil {
		if s.mutant != dropsOnRefusal {
			s.err = err
			return
		}
	}
	s.saved = upTo
	confirm()
}

func (s *tinySource) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up = false
	return nil
}

func tinySuite(m mutant) SourceSuite {
	q := &queue{arrived: make(chan struct{})}
	return SourceSuite{
		Name: "tiny",
		New: func(env connectors.Env) (connectors.Source, error) {
			return &tinySource{q: q, env: env, mutant: m}, nil
		},
		Write:     q.write,
		Disturb:   q.disturb,
		Guarantee: connectors.EffectivelyOnce,
		Patience:  300 * time.Millisecond,
	}
}

func TestReferenceSourcePasses(t *testing.T) { RunSource(t, tinySuite(correct)) }

// A kit that finds nothing wrong with a wrong source is worth nothing.
func TestEveryMutantIsFound(t *testing.T) {
	for _, m := range []mutant{confirmsFirst, movesOnRead, movesOverHoles, movesWhenIdle, numbersFromZero, dropsOnRefusal, swapsRows, losesLateAcks, readsForever} {
		t.Run(string(m), func(t *testing.T) {
			t.Parallel()
			run := &sourceRun{suite: tinySuite(m), store: &Store{}, topics: newTopics()}
			var found []string
			for _, f := range sourceFaults {
				for _, wrong := range run.check(t.Context(), f.drive) {
					found = append(found, f.name+": "+wrong)
				}
				if len(found) > 0 {
					break
				}
			}
			if len(found) == 0 {
				t.Error("the kit found nothing")
			}
			t.Log(strings.Join(found, "\n"))
		})
	}
}
