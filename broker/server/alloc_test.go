package server

import (
	"bytes"
	"io"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/subscription"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/storage/bk"
)

// hole is a connection that takes everything.
type hole struct{ net.Conn }

func (hole) Write(b []byte) (int, error)      { return len(b), nil }
func (hole) SetWriteDeadline(time.Time) error { return nil }

// idle is a connection whose reader does not run and whose writer writes into a hole, with producer and consumer 1 on a loaded topic.
func (b *broker) idle() (*conn, *producer, *consumer) {
	near, far := net.Pipe()
	b.t.Cleanup(func() { near.Close(); far.Close() })
	c := newConn(b.server, hole{far})
	c.connected, c.version = true, wire.ProtocolVersion
	tp := b.loaded(b.t, aTopic)
	p := &producer{c: c, id: 1}
	joined, a, err := tp.AddProducer(b.t.Context(), topic.ProducerOptions{ID: 1, Receipts: p})
	if err != nil {
		b.t.Fatal(err)
	}
	c.producers[1] = p
	p.answer(joined, &pb.ProducerSuccess{RequestId: proto.Uint64(1), ProducerName: &a.Name})
	u := &consumer{c: c, id: 1, partition: -1, topic: tp}
	sc, err := tp.Subscribe(b.t.Context(), topic.SubscribeOptions{Name: "s", Type: subscription.Shared, Consumer: subscription.ConsumerOptions{ID: 1, Outlet: u}})
	if err != nil {
		b.t.Fatal(err)
	}
	c.consumers[1] = u
	u.answer(sc, &pb.Success{RequestId: proto.Uint64(1)})
	var writer sync.WaitGroup
	writer.Go(func() { _ = c.out.Write(c.nc, time.Hour, c.drained) })
	b.t.Cleanup(func() { c.stop(); c.detach(); writer.Wait() })
	return c, p, u
}

// emptyOutput waits until all is written.
func (c *conn) emptyOutput() {
	for c.out.Unwritten() > 0 {
		runtime.Gosched()
	}
}

// A list of SENDs becomes publishes, and publishes become receipts, without an allocation; so does an entry that is delivered, and
// its acknowledgement.
func TestHotPathDoesNotAllocate(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector makes sync.Pool forget")
	}
	b := newBroker(t)
	b.create(aTopic)
	c, p, u := b.idle()
	const n = 100
	var frames []byte
	for i := range uint64(n) {
		frames = append(frames, sendFrame(1, i, bytes.Repeat([]byte("x"), 100))...)
	}
	ack := wire.Ack{ConsumerID: 1, IDs: []wire.MessageID{{Ledger: 1 << 40, Entry: 7, Partition: -1, BatchIndex: -1}}}
	frames = ack.AppendFrame(frames)
	in := newInbuf()
	defer func() { in.release() }()
	deliveries := make([]subscription.Delivery, n)
	body := bk.Bytes(entryOf(1, bytes.Repeat([]byte("y"), 100)))
	done := make([]*topic.Publish, 0, n)
	once := func() {
		for rest := frames; len(rest) > 0; {
			room := in.room()
			k := copy(room, rest)
			rest = rest[k:]
			in.filled(k, len(room))
			for {
				f, size, err := wire.ParseFrame(in.data(), 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if size == 0 {
					in.need, _ = wire.FrameSize(in.data(), 1<<20)
					break
				}
				kind, body, err := wire.Split(f.Command)
				if err == nil {
					err = c.handle(kind, body, entryAt{in: &in, at: in.start + size - len(f.Payload), end: in.start + size})
				}
				if err != nil {
					t.Fatal(err)
				}
				in.consume(size)
			}
		}
		// What the topic would do: each comes back with its position.
		done = done[:0]
		for i := range c.groups {
			done = append(done, c.groups[i].list...)
			c.groups[i].list = c.groups[i].list[:0]
		}
		c.groups = c.groups[:0]
		if len(done) != n {
			t.Fatal(len(done))
		}
		p.Receipts(done)
		c.acknowledge()
		for i := range deliveries {
			deliveries[i] = subscription.Delivery{Position: bk.Position{Ledger: 1, Entry: int64(i)}, Payload: body}
		}
		u.Deliver(nil, deliveries)
		c.emptyOutput()
	}
	for range 10 {
		once()
	}
	if allocs := testing.AllocsPerRun(50, once); allocs > 0 {
		t.Errorf("%v allocations for %d SENDs, receipts and MESSAGEs", allocs, n)
	}
}

// Publishing over loopback to memory ledgers: what the connection costs, and the topic, without a disk.
func BenchmarkPublish(b *testing.B) {
	for name, size := range map[string]int{"100B": 100, "1KiB": 1024} {
		b.Run(name, func(b *testing.B) {
			br := newBroker(b)
			bk.PoisonSlabs(false)
			c := br.connect()
			c.producer(1, aTopic)
			frame := sendFrame(1, 1, make([]byte, size))
			const burst = 64
			out := bytes.Repeat(frame, burst)
			_ = c.nc.SetReadDeadline(time.Time{})
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for sent := 0; sent < b.N; sent += burst {
					n := min(burst, b.N-sent)
					if _, err := c.nc.Write(out[:n*len(frame)]); err != nil {
						return
					}
				}
			}()
			head := make([]byte, 4)
			for range b.N {
				if _, err := io.ReadFull(c.r, head); err != nil {
					b.Fatal(err)
				}
				if _, err := c.r.Discard(int(head[3])); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
		})
	}
}
