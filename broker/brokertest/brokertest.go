// Package brokertest runs a broker in the test's process: the real server, topics and managed ledgers, over ledgers and metadata in
// memory. A test connects to it with any Pulsar client, restarts it, kills it, and looks into its topics.
//
// It is imported by tests only.
package brokertest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/broker/server"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

// Options of a Broker; the zero value serves any topic with the broker's defaults.
type Options struct {
	// Settings of a topic; nil: the zero Settings.
	Settings func(n topic.Name) topic.Settings
	// Partitions is how many partitions a topic has, by its full name; others have none.
	Partitions map[string]int
	// Server may change the server's options.
	Server func(o *server.Options)
}

// Broker is a running broker.
type Broker struct {
	// URL is where clients connect: pulsar://127.0.0.1:port. It stays over Restart and Kill.
	URL string

	t       testing.TB
	o       Options
	ledgers *storagetest.MemLedgers
	meta    meta.Store
	addr    string

	mu   sync.Mutex
	life *life
	past []*life // killed; freed at the end
}

// life is one process's worth of a broker.
type life struct {
	process *process
	manager *managed.Manager
	topics  *topic.Topics
	server  *server.Server
	served  chan error
}

// Start runs a broker until the end of the test.
func Start(t testing.TB, o Options) *Broker {
	t.Helper()
	b := &Broker{t: t, o: o, ledgers: storagetest.NewMemLedgers(t), meta: memory.New(), addr: "127.0.0.1:0"}
	b.start()
	b.URL = "pulsar://" + b.addr
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.stop(b.life)
		for _, l := range b.past {
			l.free()
		}
	})
	return b
}

func (b *Broker) start() {
	b.t.Helper()
	p := &process{Store: b.meta, ledgers: b.ledgers}
	l := &life{process: p, served: make(chan error, 1)}
	l.manager = managed.New(managed.Options{Ledgers: ledgersOf{p}, Meta: p, FlushInterval: 10 * time.Millisecond, ClockGrace: -1})
	l.topics = topic.NewTopics(topic.Options{
		Managed:      l.manager,
		NextProducer: func(ctx context.Context) (int64, error) { return p.Sequence(ctx, "/counters/producer-name") },
		Settings: func(_ context.Context, n topic.Name) (topic.Settings, error) {
			if b.o.Settings == nil {
				return topic.Settings{}, nil
			}
			return b.o.Settings(n), nil
		},
		Created: func(n topic.Name) { l.server.TopicCreated(n) },
		Deleted: func(n topic.Name) { l.server.TopicDeleted(n) },
	})
	so := server.Options{
		Topics: l.topics,
		Lookup: func(context.Context, topic.Name, server.LookupQuery) (server.Owner, error) {
			return server.Owner{URL: b.URL, Authoritative: true}, nil
		},
		Partitions: func(_ context.Context, n topic.Name, _ bool) (int, error) { return b.o.Partitions[n.String()], nil },
	}
	if b.o.Server != nil {
		b.o.Server(&so)
	}
	l.server = server.New(so)
	listener, err := net.Listen("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.addr = listener.Addr().String()
	go func() {
		err := l.server.Serve(listener)
		if errors.Is(err, net.ErrClosed) { // closed before it began
			err = nil
		}
		l.served <- err
	}()
	b.life = l
}

// stop ends a life in order.
func (b *Broker) stop(l *life) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, err := range []error{l.server.Close(ctx), <-l.served, l.topics.Close(), l.manager.Close(ctx)} {
		if err != nil {
			b.t.Errorf("stopping the broker: %v", err)
		}
	}
}

// free ends a life that was killed: nothing it does has an effect any more.
func (l *life) free() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = l.topics.Close() // what it wants to write fails
	_ = l.manager.Close(ctx)
}

// Topics is the registry of the present life.
func (b *Broker) Topics() *topic.Topics {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.life.topics
}

// Topic returns a topic of the present life, created if need be.
func (b *Broker) Topic(name string) *topic.Topic {
	b.t.Helper()
	n, err := topic.ParseName(name)
	if err != nil {
		b.t.Fatal(err)
	}
	got, err := b.Topics().Get(b.t.Context(), n, true)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

// Restart stops the broker in order and starts it again.
func (b *Broker) Restart() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stop(b.life)
	b.start()
}

// Kill ends the broker as kill -9 does and starts it again: from one moment on it writes nothing more, whatever it was doing, and its
// connections break. What it had acknowledged is there.
func (b *Broker) Kill() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.life.process.dead.Store(true)
	now, cancel := context.WithCancel(context.Background())
	cancel()
	_ = b.life.server.Close(now) // it was cut off: that is the point
	<-b.life.served
	b.past = append(b.past, b.life)
	b.start()
}
