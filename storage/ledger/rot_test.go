package ledger

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// rotten is one random history in fake time of a ledger whose bookies forget and falsify: one lags and loses what it was sent, the disk of
// another damages or loses entries, somebody without the ledger's key writes to it, and then it is recovered. Of what was acknowledged one good copy is
// left, which is what recovery and readers have to find.
type rotten struct {
	t        *testing.T
	c        *cluster
	rng      *rand.Rand
	q        bk.Quorum
	payloads [][]byte
	acked    int64
	wrong    []string
}

// AddsDone implements bk.AddsDone.
func (r *rotten) AddsDone(done []*bk.Add) {
	for _, a := range done {
		if a.Err == nil {
			r.acked = a.Entry
		}
	}
}

func (r *rotten) fault(format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
}

// rot plays the history of a seed and returns what went wrong in it.
func rot(t *testing.T, seed uint64) (wrong []string) {
	synctest.Test(t, func(t *testing.T) {
		r := &rotten{t: t, rng: rand.New(rand.NewPCG(seed, 5)), acked: bk.NoEntry}
		quorums := []bk.Quorum{{Ensemble: 3, Write: 3, Ack: 2}, {Ensemble: 3, Write: 2, Ack: 2}, {Ensemble: 4, Write: 3, Ack: 2}, {Ensemble: 5, Write: 3, Ack: 3}}
		r.q = quorums[r.rng.IntN(len(quorums))]
		r.c = newCluster(t, r.q.Ensemble)
		for _, id := range r.c.order {
			r.c.peer(id).store.SetSyncTime(time.Duration(1+r.rng.IntN(4)) * time.Millisecond)
		}
		r.run()
		wrong = r.wrong
	})
	return wrong
}

func (r *rotten) options() Options {
	return Options{AddTimeout: 40 * time.Millisecond, ReadTimeout: 20 * time.Millisecond, Quarantine: 15 * time.Millisecond, Retry: 10 * time.Millisecond,
		FencedWait: time.Minute, pick: func(int) int { return 0 }}
}

func (r *rotten) run() {
	places := r.rng.Perm(r.q.Ensemble)
	slow, bad := r.c.order[places[0]], r.c.order[places[1]]
	w := mustCreate(r.t, r.c.client(r.options()), bk.CreateOptions{Quorum: r.q, Digest: bk.DigestCRC32C, Password: []byte("secret")})
	n := 20 + r.rng.IntN(40)
	stops := r.rng.IntN(n)
	for i := range n {
		if i == stops {
			r.c.hang(slow)
		}
		p := fmt.Appendf(nil, "entry %d, %x", i, r.rng.Uint64())
		r.payloads = append(r.payloads, p)
		w.Add([]*bk.Add{{Body: bk.Bytes(p), Done: r}})
		time.Sleep(time.Duration(r.rng.IntN(int(2 * time.Millisecond))))
	}
	acked := r.settled()
	r.c.kill(slow) // what it took and did not store is gone
	r.c.revive(slow)
	r.intrude(w)
	r.spoil(w.ID(), bad)

	late := r.c.order[r.rng.IntN(r.q.Ensemble)]
	r.c.hang(late)
	var ledger bk.Ledger
	for try := range 10 {
		if try == 2 {
			r.c.wake(late)
		}
		var err error
		if ledger, err = r.c.client(r.options()).Open(ctx, w.ID(), true); err == nil {
			break
		}
		if try == 9 {
			r.fault("it cannot be recovered: %v", err)
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	if err := w.Close(ctx); err != nil {
		r.fault("the writer's close: %v", err)
	}
	synctest.Wait()
	if r.c.peer(late).state == hung {
		r.c.wake(late)
	}
	r.judge(ledger, max(acked, r.acked))
}

// settled is the last entry that is acknowledged once nothing moves any more.
func (r *rotten) settled() int64 {
	synctest.Wait()
	return r.acked
}

// intrude has somebody without the ledger's key write to every bookie that knows the ledger.
func (r *rotten) intrude(w *writer) {
	for _, id := range r.c.order {
		p := r.c.peer(id)
		if p.store.Entries(w.ID()) == 0 {
			continue // whoever comes first brings the key
		}
		done := make(addsDone, 1)
		p.Add([]*bk.BookieAdd{{Ledger: w.ID(), Entry: int64(r.rng.IntN(len(r.payloads))), MasterKey: [20]byte{1}, Head: []byte("intruder"), Flags: bk.FlagRecoveryAdd, Done: done}})
		if code := <-done; code == bk.OK {
			r.fault("%s took an entry from somebody without the key", id)
		}
	}
}

// spoil damages entries on one bookie, and may lose some, which the bookie then knows.
func (r *rotten) spoil(ledger int64, id string) {
	store := r.c.peer(id).store
	share := 1 + r.rng.IntN(10)
	for e := range int64(len(r.payloads)) {
		if !store.Has(ledger, e) || r.rng.IntN(10) >= share {
			continue
		}
		if share < 3 {
			store.Lose(ledger, e, true)
		} else {
			store.Damage(ledger, e)
		}
	}
}

func (r *rotten) judge(ledger bk.Ledger, acked int64) {
	last, _ := ledger.LastConfirmed()
	if acked > last {
		r.fault("entry %d was acknowledged, the ledger ends at %d", acked, last)
	}
	for e := int64(0); e <= last; e++ {
		got, err := ledger.Read(ctx, e, e, 1)
		if err != nil {
			r.fault("entry %d of %d: %v", e, last, err)
			continue
		}
		if string(got[0].Payload.B) != string(r.payloads[e]) {
			r.fault("entry %d is %q, added was %q", e, got[0].Payload.B, r.payloads[e])
		}
		release(got)
	}
}

// TestSimulationOfRot plays many histories.
func TestSimulationOfRot(t *testing.T) {
	for seed := range uint64(*simSeeds) {
		if wrong := rot(t, seed); len(wrong) > 0 {
			t.Fatalf("seed %d: %q", seed, wrong)
		}
	}
}
