package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// kind is what a fault does.
type kind string

const (
	partition   kind = "partition two-way"
	oneWay      kind = "partition one-way"
	isolate     kind = "node isolated"
	metaAway    kind = "metadata away"
	delayed     kind = "link delayed"
	cutBytes    kind = "connection cut"
	bookieKill  kind = "bookie killed"
	powerLoss   kind = "power loss"
	powerAll    kind = "power loss of all"
	slowDisk    kind = "slow disk"
	diskFull    kind = "disk full"
	takeOver    kind = "take-over"
	handOver    kind = "hand-over"
	brokerKill  kind = "broker killed"
	brokerPause kind = "broker paused"
	expire      kind = "session ended"
	lossy       kind = "metadata lossy"
)

// weights is how often each kind is planned.
var weights = []struct {
	kind kind
	n    int
}{
	{partition, 8}, {oneWay, 8}, {isolate, 4}, {metaAway, 2}, {delayed, 8}, {cutBytes, 8}, {bookieKill, 4}, {powerLoss, 6}, {powerAll, 1},
	{slowDisk, 6}, {diskFull, 1}, {takeOver, 14}, {handOver, 2}, {brokerKill, 3}, {brokerPause, 6}, {expire, 3}, {lossy, 4},
}

// event is one fault: what, to whom, when and for how long.
type event struct {
	at   time.Duration
	for_ time.Duration
	kind kind
	a, b string // nodes
	n    int    // bytes, or one in so many
}

func (e event) String() string {
	s := string(e.kind)
	if e.a != "" {
		s += " " + e.a
	}
	if e.b != "" {
		s += " - " + e.b
	}
	if e.for_ > 0 {
		s += fmt.Sprintf(" for %v", e.for_)
	}
	if e.n > 0 {
		s += fmt.Sprintf(" (%d)", e.n)
	}
	return s
}

// plan is a whole history before it is played.
type plan struct {
	Bookies []string
	Brokers []string
	Config  managed.Config
	Length  time.Duration // of the time with faults
	Events  []event

	Delay, Jitter time.Duration // of links
	Window        int           // bytes that fit into a connection
	Split         bool
	Sync          time.Duration // the longest a sync takes
	SegmentBytes  int64
	BookieQueue   int64
	GC            time.Duration
	Timeout       time.Duration // after which bookies count as hung
	MetaTTL       time.Duration
	MetaLoss      int
	Cache         int64
	Pause         time.Duration // the longest between two batches of a producer
	Big           bool          // some entries are large
}

// newPlan throws the dice for everything that is planned.
func newPlan(seed uint64) *plan {
	d := newDice(seed, "plan")
	q := pick(d, bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, bk.Quorum{Ensemble: 3, Write: 3, Ack: 2}, bk.Quorum{Ensemble: 3, Write: 2, Ack: 2}, bk.Quorum{Ensemble: 4, Write: 3, Ack: 2})
	p := &plan{
		Length: d.between(2*time.Second, 5*time.Second),
		Config: managed.Config{
			Quorum: q, Digest: bk.DigestCRC32C, MaxEntriesPerLedger: int64(pick(d, 5, 15, 40, 200)), CursorMaxEntries: int64(pick(d, 2, 5, 50)),
			AppendTimeout: pick(d, time.Second, 30*time.Second), InactiveRollover: pick(d, 0, 300*time.Millisecond), MaxRollover: pick(d, 500*time.Millisecond, time.Hour),
		},
		Delay: d.between(50*time.Microsecond, time.Millisecond), Jitter: d.between(50*time.Microsecond, pick(d, time.Millisecond, 10*time.Millisecond)),
		Window: pick(d, 2<<10, 8<<10, 64<<10, 1<<20), Split: d.one(2), Sync: pick(d, 500*time.Microsecond, 3*time.Millisecond, 20*time.Millisecond),
		SegmentBytes: int64(pick(d, 16<<10, 32<<10, 128<<10)), BookieQueue: int64(pick(d, 2<<10, 128<<20, 128<<20)), GC: pick(d, 300*time.Millisecond, 2*time.Second),
		Timeout: pick(d, 200*time.Millisecond, 500*time.Millisecond), MetaTTL: pick(d, 300*time.Millisecond, time.Second), MetaLoss: pick(d, 0, 0, 100, 20),
		Cache: int64(pick(d, -1, 1<<20)), Pause: pick(d, 5*time.Millisecond, 25*time.Millisecond, 25*time.Millisecond), Big: d.one(4),
	}
	if d.one(2) { // nothing is trimmed
		p.Config.RetentionTime, p.Config.RetentionBytes = -1, -1
	}
	for i := range q.Ensemble + d.n(3) {
		p.Bookies = append(p.Bookies, fmt.Sprintf("bookie-%c", 'a'+i))
	}
	for i := range 2 + d.n(2) {
		p.Brokers = append(p.Brokers, fmt.Sprintf("broker-%d", i+1))
	}
	p.Events = p.events(d)
	return p
}

func (p *plan) events(d *dice) (events []event) {
	total := 0
	for _, w := range weights {
		total += w.n
	}
	for range 6 + d.n(25) {
		n := d.n(total)
		for _, w := range weights {
			if n -= w.n; n < 0 {
				events = append(events, p.event(d, w.kind, d.between(100*time.Millisecond, p.Length))...)
				break
			}
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	return events
}

// event is one of a kind at a time, and what often comes with it.
func (p *plan) event(d *dice, k kind, at time.Duration) []event {
	bookie, broker := pick(d, p.Bookies...), pick(d, p.Brokers...)
	e := event{at: at, kind: k, for_: d.between(20*time.Millisecond, pick(d, 100*time.Millisecond, time.Second, 2*time.Second))}
	all := append([]event{}, e)
	switch k {
	case partition, oneWay, delayed:
		all[0].a, all[0].b = broker, pick(d, bookie, bookie, bookie, metaNode)
		if d.one(4) {
			all[0].a, all[0].b = bookie, metaNode
		} else if k != partition && d.one(2) {
			all[0].a, all[0].b = all[0].b, all[0].a
		}
		if k == delayed {
			all[0].n = 1 + d.n(200) // ms
		}
	case isolate:
		all[0].a = pick(d, bookie, broker)
	case cutBytes:
		all[0].a, all[0].b, all[0].n, all[0].for_ = broker, bookie, d.n(pick(d, 10, 200, 5000)), 0
	case bookieKill, powerLoss, slowDisk, diskFull:
		all[0].a = bookie
		if k == slowDisk {
			all[0].n = 1 + d.n(300) // ms
		}
	case takeOver, brokerKill, brokerPause, handOver:
		all[0].a = broker
		if k == takeOver || k == handOver {
			all[0].for_ = 0
		}
	case expire:
		all[0].a, all[0].for_ = pick(d, bookie, broker), 0
	case lossy:
		all[0].n = 2 + d.n(8)
	}
	if k == takeOver {
		all = append(all, p.aroundTakeOver(d, all[0])...)
	}
	return all
}

// aroundTakeOver is what makes a take-over hard: the former owner, or some of the bookies, miss it, or lose what they were about to
// make durable.
func (p *plan) aroundTakeOver(d *dice, e event) (more []event) {
	soon := func(most time.Duration) time.Duration { return e.at + d.upTo(most) }
	bookie, other := pick(d, p.Bookies...), pick(d, p.Brokers...)
	for_ := d.between(50*time.Millisecond, time.Second)
	switch d.n(6) {
	case 0: // the former owner cannot reach a bookie for a while before
		more = append(more, event{at: e.at - d.upTo(80*time.Millisecond), for_: for_, kind: oneWay, a: other, b: bookie})
	case 1: // a bookie that is slow to make things durable loses its power in the middle of it
		more = append(more, event{at: e.at - d.upTo(50*time.Millisecond), for_: for_, kind: slowDisk, a: bookie, n: 20 + d.n(200)},
			event{at: soon(100 * time.Millisecond), for_: for_, kind: powerLoss, a: bookie})
	case 2: // all of them do
		for _, b := range p.Bookies {
			more = append(more, event{at: e.at - d.upTo(20*time.Millisecond), for_: for_, kind: slowDisk, a: b, n: 20 + d.n(100)})
		}
		more = append(more, event{at: soon(100 * time.Millisecond), for_: for_, kind: powerAll})
	case 3: // the new owner sees only some of the bookies
		more = append(more, event{at: e.at, for_: for_, kind: partition, a: e.a, b: bookie})
	case 4: // the former owner is away and comes back
		more = append(more, event{at: e.at - d.upTo(20*time.Millisecond), for_: for_, kind: brokerPause, a: other})
	}
	return more
}
