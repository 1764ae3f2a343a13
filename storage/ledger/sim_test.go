package ledger

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/quorum"
)

var simSeeds = flag.Int("sim.seeds", 60, "how many histories TestSimulation plays")

// sim is one random history in fake time: a writer, bookies that die, hang, lose power, have no room and come back, a
// metadata store whose answers get lost and that is away for long, recoverers that give up in the middle, and at last a judgement.
type sim struct {
	c     *cluster
	rng   *rand.Rand
	o     Options
	q     bk.Quorum
	scale time.Duration // how long a moment is: a millisecond, or a second where the metadata goes away for minutes

	mu       sync.Mutex
	payloads [][]byte // by entry id
	acked    int64
	ends     []int64 // at which recoveries said the ledger ends
	wrong    []string
}

func (s *sim) fault(format string, args ...any) {
	s.mu.Lock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	s.mu.Unlock()
}

// dice returns a number below n; safe for concurrent use.
func (s *sim) dice(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// nap sleeps up to n moments.
func (s *sim) nap(n int) { time.Sleep(time.Duration(s.dice(n * int(s.scale)))) }

// AddsDone implements bk.AddsDone.
func (s *sim) AddsDone(done []*bk.Add) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range done {
		if a.Err == nil {
			s.acked = max(s.acked, a.Entry)
		}
	}
}

// play runs the history of a seed and returns what went wrong in it.
func play(t *testing.T, seed uint64) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		s := &sim{rng: rand.New(rand.NewPCG(seed, 1)), acked: bk.NoEntry, scale: time.Millisecond}
		if s.rng.IntN(3) == 0 {
			s.scale = time.Second
		}
		quorums := []bk.Quorum{{Ensemble: 3, Write: 3, Ack: 2}, {Ensemble: 3, Write: 3, Ack: 2}, {Ensemble: 3, Write: 2, Ack: 2}, {Ensemble: 4, Write: 3, Ack: 2}, {Ensemble: 2, Write: 2, Ack: 1}}
		s.q = quorums[s.rng.IntN(len(quorums))]
		s.c = newCluster(t, 0)
		for range s.q.Ensemble + s.rng.IntN(3) {
			p := s.c.addBookie()
			if s.rng.IntN(2) == 0 { // its queue is full at times
				p.store.Fail = func(*bk.Record) bk.Code {
					if s.dice(15) == 0 {
						return bk.ErrTooMany
					}
					return bk.OK
				}
			}
			p.store.SetSyncTime(time.Duration(1+s.rng.IntN(5)) * time.Millisecond)
		}
		s.o = Options{AddTimeout: 40 * s.scale, ReadTimeout: 20 * time.Millisecond, Patience: 10 * time.Millisecond, Quarantine: 15 * s.scale,
			Retry: 10 * s.scale, QuorumWait: 60 * s.scale, FencedWait: 20 * time.Minute, pick: s.dice}
		s.run()
		wrong = s.wrong
	})
	return wrong
}

func (s *sim) run() {
	s.c.meta.onPut(func(key string, _ []byte) (bool, error) {
		if !isLedger(key) || s.dice(8) > 0 {
			return true, nil
		}
		return s.dice(2) == 0, meta.ErrUnknown
	})
	s.c.meta.slow = func() time.Duration { return time.Duration(s.dice(int(3 * time.Millisecond))) }
	s.c.meta.strays = func() bool { return s.dice(2) == 0 }
	l := s.c.client(s.o)
	created, err := l.Create(ctx, bk.CreateOptions{Quorum: s.q, Digest: bk.DigestCRC32C})
	if err != nil {
		s.fault("create: %v", err)
		return
	}
	w := created.(*writer)
	life, end := context.WithCancel(ctx)
	var writing, chaos sync.WaitGroup
	writing.Go(func() { s.write(w) })
	chaos.Go(func() { s.chaos(life) })
	if s.scale == time.Second {
		s.nap(60)
		s.c.meta.leave()
		time.AfterFunc(time.Duration(s.dice(int(10*time.Minute))), s.c.meta.comeBack)
	}
	s.nap(60)
	var recovering sync.WaitGroup
	for range 1 + s.dice(2) {
		recovering.Go(func() { s.recover(w.ID()) })
	}
	recovering.Wait()
	end()
	chaos.Wait()
	s.c.meta.comeBack()
	s.heal()
	s.recover(w.ID()) // for those that gave up
	writing.Wait()
	if err := w.Close(ctx); err != nil {
		s.fault("the writer's close: %v", err)
	}
	last, _ := w.LastConfirmed()
	s.ends = append(s.ends, last)
	time.Sleep(time.Second) // whatever is late comes now
	synctest.Wait()
	s.judge(w.ID())
}

// write adds entries until it is fenced.
func (s *sim) write(w *writer) {
	for i := 0; i < 200; i++ {
		adds := make([]*bk.Add, 1+s.dice(3))
		s.mu.Lock()
		for j := range adds {
			p := fmt.Appendf(nil, "entry %d, %x", len(s.payloads), s.rng.Uint64())
			s.payloads = append(s.payloads, p)
			adds[j] = &bk.Add{Body: bk.Bytes(p), Done: s}
		}
		s.mu.Unlock()
		w.Add(adds)
		if s.dice(3) > 0 {
			s.nap(2)
		}
		w.mu.Lock()
		broken := w.err != nil
		w.mu.Unlock()
		if broken {
			return
		}
	}
}

// chaos kills, stops and revives bookies until life ends.
func (s *sim) chaos(life context.Context) {
	for life.Err() == nil {
		s.nap(8)
		p := s.c.peer(s.c.order[s.dice(len(s.c.order))])
		p.mu.Lock()
		state := p.state
		p.mu.Unlock()
		switch {
		case state == dead && s.dice(2) == 0:
			s.c.revive(p.id)
			p.store.SetSyncTime(time.Duration(1+s.dice(5)) * time.Millisecond)
		case state == hung && s.dice(2) == 0:
			s.c.wake(p.id)
		case state == up && s.dice(3) == 0:
			s.c.hang(p.id)
		case state == up:
			s.c.kill(p.id)
			if s.dice(2) == 0 { // a restart
				s.c.revive(p.id)
			}
		}
	}
}

// heal brings every bookie back.
func (s *sim) heal() {
	for _, id := range s.c.order {
		p := s.c.peer(id)
		p.mu.Lock()
		state := p.state
		p.mu.Unlock()
		switch state {
		case dead:
			s.c.revive(id)
		case hung:
			s.c.wake(id)
		}
	}
}

// recover tries until it succeeds or loses patience, each time with a new client; some attempts die in the middle.
func (s *sim) recover(id int64) {
	for range 6 {
		attempt, stop := context.WithCancel(ctx)
		if s.dice(2) == 0 {
			time.AfterFunc(time.Duration(s.dice(30*int(s.scale))), stop)
		}
		l := s.c.client(s.o)
		r, err := l.Open(attempt, id, true)
		stop()
		if err == nil {
			last, _ := r.LastConfirmed()
			s.mu.Lock()
			s.ends = append(s.ends, last)
			s.mu.Unlock()
			return
		}
		if !errors.Is(err, bk.ErrRecovery) && !errors.Is(err, context.Canceled) && !errors.Is(err, bk.ErrTimeout) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errNoMeta) {
			s.fault("recovery: %v", err)
		}
		l.Close()
		s.nap(10)
	}
}

// judge says what the history broke: what was acknowledged is there, unchanged and on an ack quorum; all agree on the end.
func (s *sim) judge(id int64) {
	r, err := s.c.client(Options{}).Open(ctx, id, true)
	if err != nil {
		s.fault("nobody can recover the ledger although all bookies are there: %v", err)
		return
	}
	last, _ := r.LastConfirmed()
	md := s.c.metadata(id)
	if md.State != bkwire.Closed || md.Last != last {
		s.fault("the metadata says %v at %d, the reader %d", md.State, md.Last, last)
	}
	for _, e := range s.ends {
		if e != last {
			s.fault("one said the ledger ends at %d, it ends at %d", e, last)
		}
	}
	if s.acked > last {
		s.fault("entry %d was acknowledged, the ledger ends at %d", s.acked, last)
	}
	if int(last) >= len(s.payloads) {
		s.fault("the ledger ends at %d, %d entries were added", last, len(s.payloads))
		return
	}
	// The length is not judged: when a bookie goes in the very moment in which a recovery asks it for the length, it is a
	// guess, as in Apache's. TestRecoveryFindsTheEnd judges it where nothing goes.
	for e := int64(0); e <= last; e++ {
		got, err := r.Read(ctx, e, e, 1)
		if err != nil {
			s.fault("entry %d of %d: %v", e, last, err)
			continue
		}
		if string(got[0].Payload.B) != string(s.payloads[e]) {
			s.fault("entry %d is %q, added was %q", e, got[0].Payload.B, s.payloads[e])
		}
		release(got)
		segment, _, _ := md.SegmentOf(e)
		copies := 0
		for _, i := range quorum.WriteSet(nil, e, md.Quorum) {
			got, err := s.c.peer(segment.Bookies[i]).Read(ctx, bk.BookieRead{Ledger: id, First: e, Last: e})
			if err == nil {
				copies++
				release(got)
			}
		}
		if copies < md.Quorum.Ack {
			s.fault("entry %d is on %d bookies, the ack quorum is %d", e, copies, md.Quorum.Ack)
		}
	}
}

// TestSimulation plays many histories.
func TestSimulation(t *testing.T) {
	for seed := range uint64(*simSeeds) {
		if wrong := play(t, seed); len(wrong) > 0 {
			t.Fatalf("seed %d: %q", seed, wrong)
		}
	}
}
