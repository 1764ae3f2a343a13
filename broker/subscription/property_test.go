package subscription

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/storagetest"
)

// held is one entry with one consumer, as a client sees it.
type held struct {
	messages int32
	left     int32 // messages not acknowledged
	// returning: the client is giving it back; until the broker has heard that, it counts as the client's.
	returning bool
}

// client is what one consumer was granted and given.
type client struct {
	c       *Consumer
	o       *outlet
	granted int32
	given   int32
	parted  bool
	holds   map[int]*held
}

// model runs random commands against a subscription and checks, after each, what clients must be able to rely on.
type model struct {
	t       *rapid.T
	sc      *script
	typ     Type
	keys    []string // of each entry, from 1
	sizes   []int32
	acked   map[int]bool
	clients []*client
	n       int

	// lazy: commands come while reads from disk are under way; what must hold is looked at now and then.
	lazy bool

	mu     sync.Mutex // guards holds, given and acked, which deliveries change, and broken
	broken string
}

// TestPropertiesOfDelivery: permits plus what was given equals what was granted; an entry is with one consumer at a time; redelivery
// counts grow; on key-shared an entry goes out only when nothing before it of its key waits or is with somebody else; in the
// end everything was delivered and acknowledged.
func TestPropertiesOfDelivery(t *testing.T) {
	for _, typ := range []Type{Shared, KeyShared} {
		for name, cache := range map[string]int64{"cache": 0, "disk": -1, "lazy": -1} {
			t.Run(fmt.Sprintf("%v/%s", typ, name), func(t *testing.T) {
				ledgers := storagetest.NewMemLedgers(t)
				rapid.Check(t, func(rt *rapid.T) {
					limits := Limits{
						RoundRobin: rapid.IntRange(1, 5).Draw(rt, "round robin"), ReadEntries: rapid.IntRange(1, 8).Draw(rt, "read"),
						LookAhead: rapid.IntRange(1, 20).Draw(rt, "look-ahead"), UnackedPerConsumer: rapid.IntRange(3, 40).Draw(rt, "unacked"),
					}
					b := openBench(t, ledgers, managed.Options{CacheBytes: cache})
					defer b.close()
					m := &model{t: rt, typ: typ, lazy: name == "lazy", acked: map[int]bool{}, keys: []string{""}, sizes: []int32{0},
						sc: &script{b: b, s: b.subscribe("sub", -1, limits)}}
					m.join()
					rt.Repeat(map[string]func(*rapid.T){
						"publish": m.publish, "join": func(*rapid.T) { m.join() }, "leave": m.leave, "flow": m.flow, "ack": m.ack,
						"redeliver": m.redeliver, "congest": m.congest, "look": func(*rapid.T) { m.check() },
						"": func(*rapid.T) {
							if !m.lazy {
								m.check()
							}
						},
					})
					m.finish()
				})
			})
		}
	}
}

func (m *model) publish(t *rapid.T) {
	var ms []wire.Metadata
	for range rapid.IntRange(1, 6).Draw(t, "entries") {
		k := rapid.SampledFrom([]string{"a", "c", "d", "f", "u"}).Draw(t, "key")
		md := wire.Metadata{PartitionKey: []byte(k)}
		size := rapid.Int32Range(1, 4).Draw(t, "batch")
		if size > 1 {
			md.Batch, md.Messages = true, size
		}
		ms = append(ms, md)
	}
	m.mu.Lock()
	for _, md := range ms {
		m.keys, m.sizes = append(m.keys, string(md.PartitionKey)), append(m.sizes, max(md.Messages, 1))
	}
	m.sc.b.publish(ms...)
	m.mu.Unlock()
	m.sc.s.Wake()
}

func (m *model) join() {
	if len(m.clients) >= 4 {
		return
	}
	m.n++
	cl := &client{o: newOutlet(), holds: map[int]*held{}}
	cl.o.onDeliver = func(_ *Consumer, ds []Delivery) { m.deliver(cl, ds) }
	c, err := m.sc.s.AddConsumer(context.Background(), m.typ, ConsumerOptions{Name: fmt.Sprint("c", m.n), Outlet: cl.o})
	if err != nil {
		m.t.Fatal(err)
	}
	m.mu.Lock()
	cl.c = c
	m.clients = append(m.clients, cl)
	m.mu.Unlock()
}

// fail notes what went wrong where the test cannot be ended, because the subscription's lock is held.
func (m *model) fail(format string, args ...any) {
	if m.broken == "" {
		m.broken = fmt.Sprintf(format, args...)
	}
}

// deliver is called under the subscription's lock, for each list in its turn.
func (m *model) deliver(cl *client, ds []Delivery) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if cl.parted {
		return
	}
	for _, d := range ds {
		n := m.sc.b.numbers[d.Position]
		for _, o := range m.clients {
			if h := o.holds[n]; h != nil && !h.returning {
				m.fail("#%d went to %s while %s had it", n, cl.c.Name(), o.c.Name())
			}
		}
		if m.acked[n] {
			m.fail("#%d was delivered although it is acknowledged", n)
		}
		if m.typ == KeyShared {
			m.ordered(cl, n)
		}
		h := &held{messages: d.Messages, left: d.Messages}
		if d.AckSet != nil {
			h.left = count(d.AckSet)
		}
		if d.Messages != m.sizes[n] {
			m.fail("#%d counts %d messages, not %d", n, d.Messages, m.sizes[n])
		}
		cl.holds[n] = h
		cl.given += d.Messages
	}
}

// ordered: everything of the key before n is acknowledged or with the same consumer.
func (m *model) ordered(cl *client, n int) {
	for e := 1; e < n; e++ {
		if m.keys[e] == m.keys[n] && !m.acked[e] && cl.holds[e] == nil {
			m.fail("#%d of key %s went to %s before #%d", n, m.keys[n], cl.c.Name(), e)
		}
	}
}

func (m *model) any(t *rapid.T) *client {
	if len(m.clients) == 0 {
		t.Skip("nobody is there")
	}
	return m.clients[rapid.IntRange(0, len(m.clients)-1).Draw(t, "client")]
}

func (m *model) leave(t *rapid.T) {
	m.part(m.any(t))
}

// part closes a client. What is still delivered to it while it closes counts for nothing.
func (m *model) part(cl *client) {
	m.mu.Lock()
	cl.parted = true
	for i, o := range m.clients {
		if o == cl {
			m.clients = append(m.clients[:i:i], m.clients[i+1:]...)
		}
	}
	m.mu.Unlock()
	_ = cl.c.Close()
}

func (m *model) flow(t *rapid.T) {
	cl := m.any(t)
	n := rapid.Int32Range(1, 20).Draw(t, "permits")
	cl.granted += n
	cl.c.Flow(uint32(n))
}

func (m *model) congest(t *rapid.T) {
	cl := m.any(t)
	cl.o.mu.Lock()
	cl.o.congested = !cl.o.congested
	now := cl.o.congested
	cl.o.mu.Unlock()
	if !now {
		cl.c.Drained()
	}
}

// some draws entries that the client holds.
func (m *model) some(t *rapid.T, cl *client) []int {
	var all []int
	m.mu.Lock()
	for e := 1; e < len(m.keys); e++ {
		if cl.holds[e] != nil {
			all = append(all, e)
		}
	}
	m.mu.Unlock()
	if len(all) == 0 {
		t.Skip("holds nothing")
	}
	return rapid.SliceOfNDistinct(rapid.SampledFrom(all), 1, min(4, len(all)), rapid.ID[int]).Draw(t, "entries")
}

func (m *model) ack(t *rapid.T) {
	cl := m.any(t)
	var acks []Ack
	for _, e := range m.some(t, cl) {
		m.mu.Lock()
		a := Ack{Position: m.sc.b.published[e]}
		if h := cl.holds[e]; h.messages > 1 && rapid.Bool().Draw(t, "partly") {
			// The first message alone is acknowledged; once it is, so it stays.
			a.AckSet = []int64{1<<h.messages - 2}
			h.left = min(h.left, h.messages-1)
		} else {
			m.acked[e] = true
			delete(cl.holds, e)
		}
		m.mu.Unlock()
		acks = append(acks, a)
	}
	if err := cl.c.Ack(acks, false); err != nil {
		t.Fatal(err)
	}
}

func (m *model) redeliver(t *rapid.T) {
	cl := m.any(t)
	if rapid.Bool().Draw(t, "all") {
		settle(m.sc.s) // what is delivered meanwhile would be taken back, too
		clear(cl.holds)
		cl.c.Redeliver(nil, -1)
		return
	}
	var ids []bk.Position
	given := m.some(t, cl)
	m.mu.Lock()
	for _, e := range given {
		cl.holds[e].returning = true
		ids = append(ids, m.sc.b.published[e])
	}
	m.mu.Unlock()
	cl.c.Redeliver(ids, -1)
	m.mu.Lock()
	for _, e := range given {
		if cl.holds[e].returning { // not delivered again to the same
			delete(cl.holds, e)
		}
	}
	m.mu.Unlock()
}

func (m *model) check() {
	settle(m.sc.s)
	if m.broken != "" {
		m.t.Fatal(m.broken)
	}
	st := m.sc.s.Stats()
	var unacked int64
	for i, cl := range m.clients {
		c := st.Consumers[i]
		if c.Permits+cl.given != cl.granted {
			m.t.Fatalf("%s: %d permits and %d given, %d granted", c.Name, c.Permits, cl.given, cl.granted)
		}
		var n int32
		for _, h := range cl.holds {
			n += h.left
		}
		if c.Unacked != n {
			m.t.Fatalf("%s: %d unacknowledged, it holds %d", c.Name, c.Unacked, n)
		}
		unacked += int64(n)
	}
	if st.Unacked != unacked {
		m.t.Fatalf("%d unacknowledged in all, clients hold %d", st.Unacked, unacked)
	}
	m.idle(st)
	if want := int64(len(m.keys) - 1 - len(m.acked)); st.Backlog != want {
		m.t.Fatalf("backlog %d, want %d", st.Backlog, want)
	}
}

// idle: nothing that somebody could take is left lying.
func (m *model) idle(st Stats) {
	held := map[int]*client{}
	able := map[*Consumer]*client{}
	for i, cl := range m.clients {
		for e := range cl.holds {
			held[e] = cl
		}
		if c := st.Consumers[i]; c.Permits > 0 && !c.Blocked && !cl.o.Congested() {
			able[cl.c] = cl
		}
	}
	full := st.HeldBack >= int64(m.sc.s.o.Limits.LookAhead)
	if st.Blocked || len(able) == 0 || full {
		return
	}
	behind := map[string]*client{} // of each key, who holds the last entry looked at
	stuck := map[string]bool{}
	for e := 1; e < len(m.keys); e++ {
		k := m.keys[e]
		switch {
		case m.acked[e] || stuck[k]:
		case held[e] != nil:
			if behind[k] != nil && behind[k] != held[e] {
				stuck[k] = true // of two consumers: the key is changing hands
			}
			behind[k] = held[e]
		case m.typ == Shared:
			m.t.Fatalf("#%d lies there although somebody takes it", e)
		default:
			stuck[k] = true
			d := m.sc.s.d.(*shared)
			h, _ := keyHash(&wire.Metadata{PartitionKey: []byte(k)}, nil)
			owner, _ := d.router.(*keys).ranges.owner(h)
			if cl := able[owner]; cl != nil && (behind[k] == nil || behind[k] == cl) && !m.elsewhere(k, cl) {
				m.t.Fatalf("#%d of key %s lies there although %s takes it", e, k, owner.Name())
			}
		}
	}
}

// elsewhere reports whether another client than cl holds entries of the key.
func (m *model) elsewhere(key string, cl *client) bool {
	for _, o := range m.clients {
		for e := range o.holds {
			if o != cl && m.keys[e] == key {
				return true
			}
		}
	}
	return false
}

// finish lets one consumer take and acknowledge all that is left.
func (m *model) finish() {
	for len(m.clients) > 0 {
		m.part(m.clients[0])
	}
	m.check()
	m.join()
	cl := m.clients[0]
	cl.granted = 1 << 20
	cl.c.Flow(1 << 20)
	for {
		settle(m.sc.s)
		if len(cl.holds) == 0 {
			break
		}
		var acks []Ack
		for e := range cl.holds {
			m.acked[e] = true
			acks = append(acks, Ack{Position: m.sc.b.published[e]})
		}
		clear(cl.holds)
		if err := cl.c.Ack(acks, false); err != nil {
			m.t.Fatal(err)
		}
	}
	if len(m.acked) != len(m.keys)-1 {
		m.t.Fatalf("%d of %d entries were delivered", len(m.acked), len(m.keys)-1)
	}
	m.check()
}
