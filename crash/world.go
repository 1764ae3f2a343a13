package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"

	"github.com/strobemq/strobe/connectors/postgres/postgrestest"
	"github.com/strobemq/strobe/internal/product"
	"github.com/strobemq/strobe/storage/meta/etcd/etcdtest"
)

// world is everything that runs.
type world struct {
	o       options
	ctx     context.Context
	end     context.CancelFunc
	began   time.Time
	counts  *counts
	verdict verdict
	round   int

	etcd     *etcdtest.Cluster
	bookies  []*member
	brokers  []*member
	alone    *member
	postgres *postgrestest.Server
	clients  [2]pulsar.Client // of the cluster and of the standalone
	closers  []func()

	acks    [2]atomic.Int64 // receipts, of the cluster and of the standalone
	streams []*stream       // of this generation
	rows    *rows
	flows   []*flow        // of rows
	judging sync.WaitGroup // of the one before
	read    atomic.Int64   // messages that were read back
	results results

	mu   sync.Mutex
	done []string // what was killed in this round
}

// results are sums for the table.
type results struct {
	mu                             sync.Mutex
	written, consumed, redelivered int64
	doubled                        int64 // where deduplication is off
	rows                           int   // committed
}

const (
	// sessionTime is how long a broker that is gone keeps its topics.
	sessionTime = 2 * time.Second
	bookieCount = 4
)

// small makes what takes long in production happen every second or so.
var small = []string{
	"log.level=debug", "bookie.segmentSizeMB=1", "broker.maxMessageSize=524288", "bookie.diskReserveMB=16", "bookie.gcWaitTime=1000",
	"broker.managedLedgerMaxEntriesPerLedger=300", "broker.managedLedgerCacheSizeMB=1", "broker.brokerDeduplicationEnabled=true",
	"broker.brokerDeduplicationEntriesInterval=200", "worker.secretEnvironment=SHOP_PASSWORD", "broker.defaultRetentionTimeInMinutes=-1", "broker.defaultRetentionSizeInMB=-1",
}

// started is told of a process before its first start, and keeps its log.
func (w *world) member(name string) (*member, error) {
	dir := filepath.Join(w.o.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	w.closers = append(w.closers, func() { log.Close() })
	return &member{name: name, watch: newWatch(log)}, nil
}

func (w *world) start() error {
	var err error
	if w.flowing() {
		if w.postgres, err = postgrestest.Start(postgrestest.Options{Dir: filepath.Join(w.o.dir, postgres), Progress: os.Stderr}); err != nil {
			return err
		}
		w.closers = append(w.closers, func() { w.postgres.Close() })
	}
	members := map[string]*member{}
	var failed error
	c, err := product.StartCluster(w.ctx, product.ClusterOptions{
		Binary: w.o.strobe, Dir: w.o.dir, Etcds: 3, Bookies: bookieCount, Brokers: 2, Progress: os.Stderr,
		Set: append([]string{fmt.Sprintf("metadata.sessionTimeoutMillis=%d", sessionTime.Milliseconds())}, small...),
		Each: func(name string, o *product.Options) {
			m, err := w.member(name)
			if err != nil {
				failed = err
				return
			}
			members[name], o.Log, o.Env = m, m.watch, w.secret()
		},
		Started: func(name string, p *product.Process) {
			members[name].p.Store(p)
		},
	})
	w.closers = append(w.closers, c.Kill)
	if err := errors.Join(err, failed); err != nil {
		return err
	}
	w.etcd = c.Etcd
	for i := range c.Bookies {
		w.bookies = append(w.bookies, members[fmt.Sprintf("bookie-%d", i)])
	}
	for i := range c.Brokers {
		w.brokers = append(w.brokers, members[fmt.Sprintf("broker-%d", i)])
	}
	if w.alone, err = w.member(standalone); err != nil {
		return err
	}
	p, err := product.Start(w.ctx, product.Options{Binary: w.o.strobe, Dir: filepath.Join(w.o.dir, standalone), Set: small, Env: w.secret(), Log: w.alone.watch})
	if err != nil {
		return err
	}
	w.alone.p.Store(p)
	for i, url := range []string{c.URL(), p.Pulsar} {
		client, log, err := newClient(url, w.o.dir, fmt.Sprintf("client-%d", i))
		if err != nil {
			return err
		}
		w.clients[i] = client
		// The client stays open: pulsar-client-go v0.21.0 panics when it is closed under a send, and a run that failed still sends.
		w.closers = append(w.closers, func() { log.Close() })
	}
	for _, p := range []*product.Process{c.Brokers[0], p} {
		if err := w.namespaces(p); err != nil {
			return err
		}
	}
	w.say("three etcd members, %d bookies, two brokers and a standalone are ready", bookieCount)
	if w.flowing() {
		if err := w.startRows(); err != nil {
			return err
		}
	}
	return w.nextStreams(0)
}

// flowing says whether rows flow: without a kind that concerns them there is no Postgres.
func (w *world) flowing() bool {
	return slices.Contains(w.o.kinds, host) || slices.Contains(w.o.kinds, postgres)
}

// namespaces are one whose ledgers go as they are consumed, and one without deduplication.
func (w *world) namespaces(p *product.Process) error {
	for _, step := range []struct{ method, path, body string }{
		{"PUT", "public/churn", ""},
		{"POST", "public/churn/retention", `{"retentionTimeInMinutes":0,"retentionSizeInMB":0}`},
		{"PUT", "public/plain", ""},
		{"POST", "public/plain/deduplication", "false"},
	} {
		if _, err := p.Do(w.ctx, step.method, "/admin/v2/namespaces/"+step.path, step.body); err != nil {
			return err
		}
	}
	return nil
}

// owner asks which broker of a form serves a topic.
func (w *world) owner(form int) func(ctx context.Context, topic string) (string, error) {
	return func(ctx context.Context, topic string) (string, error) {
		if form == 1 {
			return w.alone.p.Load().Pulsar, nil
		}
		var list []*product.Process
		for _, m := range w.brokers {
			list = append(list, m.p.Load())
		}
		p, err := owner(ctx, list, topic)
		if err != nil {
			return "", err
		}
		return p.Pulsar, nil
	}
}

// waitFor waits until done is closed, as long as progress goes on; false: it stands still.
func (w *world) waitFor(done <-chan struct{}, progress func() int64) bool {
	last, since := progress(), time.Now()
	for {
		select {
		case <-done:
			return true
		case <-w.ctx.Done():
			return true
		case <-time.After(100 * time.Millisecond): // how often is looked
		}
		if now := progress(); now != last {
			last, since = now, time.Now()
		}
		if time.Since(since) > silence {
			return false
		}
	}
}

func (w *world) say(format string, args ...any) {
	fmt.Printf("%7.1f s  "+format+"\n", append([]any{time.Since(w.began).Seconds()}, args...)...)
}

// did notes what was killed.
func (w *world) did(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, fmt.Sprintf(format, args...))
}

// close ends everything that runs. Idempotent.
func (w *world) close() {
	w.end()
	w.judging.Wait()
	for _, f := range slices.Backward(w.closers) {
		f()
	}
	w.closers = nil
}
