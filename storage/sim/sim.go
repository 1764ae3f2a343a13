// Package sim plays random histories of a small cluster in fake time: bookies, brokers and the metadata store on a network that delays,
// holds back, reorders and cuts. All but the network, the disks and the way to the metadata is the product: bookies are storage/bookie
// behind storage/bookie/server over storage/segment, brokers are storage/managed over storage/ledger over storage/remote. Several
// brokers take one topic from each other by fencing while the former owner still believes that it is its own.
//
// A history comes from a seed. Play runs it in a testing/synctest bubble and judges it:
//
//   - what was acknowledged is there, where the acknowledgement said, once, in order, on an ack quorum of bookies;
//   - what was not acknowledged is there once or not at all, and never against the order of its producer;
//   - no position was acknowledged twice; what anybody read stays, and nobody skipped anything;
//   - a cursor stands behind nothing that was not acknowledged on it, and not before what was flushed;
//   - only what every cursor consumed was trimmed;
//   - after the last fault is over everything ends in bounded time, takes entries again, and leaves neither memory nor goroutines.
//
// A bookie is not started on a full disk, where it may be refused (storage/segment tests that). Brokers' clocks are all the same;
// processes that are paused go on inside but are cut off.
//
// The same seed gives the same plan of faults, at the same moments, and the same dice to every actor. What is not determined is which
// of several goroutines that can run at the same fake moment does so first, the choices of select and of map iteration, and
// the choice of bookies for an ensemble. A failure that hangs on those shows again with some probability only; so print the log.
package sim

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// dice are the random choices of one actor, so that no actor's depend on when another one throws. Safe for concurrent use.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

// newDice returns the dice of the actor of that name in the history of a seed.
func newDice(seed uint64, actor string) *dice {
	h := fnv.New64a()
	h.Write([]byte(actor))
	return &dice{rng: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// n is a number below n; 0 for n <= 0.
func (d *dice) n(n int) int {
	if n <= 0 {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// one reports true once in n times.
func (d *dice) one(n int) bool { return d.n(n) == 0 }

// upTo is a time from 0 to below most.
func (d *dice) upTo(most time.Duration) time.Duration { return time.Duration(d.n(int(most))) }

// between is a time from least to below most.
func (d *dice) between(least, most time.Duration) time.Duration { return least + d.upTo(most-least) }

// pick is one of list.
func pick[T any](d *dice, list ...T) T { return list[d.n(len(list))] }

// history is what happened: a log of events in fake time, how often each kind of thing happened, and what went wrong.
type history struct {
	began time.Time

	mu     sync.Mutex
	log    []string
	counts map[string]int64
	wrong  []string
}

// maxLog bounds the log of one history, maxWrong what is told of its mistakes.
const (
	maxLog   = 2000
	maxWrong = 20
)

func newHistory() *history { return &history{began: time.Now(), counts: map[string]int64{}} }

// note logs something that happened.
func (h *history) note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.log) < maxLog {
		h.log = append(h.log, fmt.Sprintf("%9.3f ms  ", float64(time.Since(h.began).Microseconds())/1000)+fmt.Sprintf(format, args...))
	}
}

// count adds to how often something happened.
func (h *history) count(kind string, n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[kind] += n
}

// fault notes that a promise was broken.
func (h *history) fault(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	h.note("WRONG: %s", text)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.wrong) < maxWrong {
		h.wrong = append(h.wrong, text)
	}
}

// now is the fake time since the history began.
func (h *history) now() time.Duration { return time.Since(h.began) }
