package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/strobemq/strobe/internal/config"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/clocks"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/local"
	"github.com/strobemq/strobe/storage/remote"
	"github.com/strobemq/strobe/storage/segment"
)

// drainTime is how long a stop may take before what is left is cut off.
const drainTime = 20 * time.Second

type nodeOptions struct {
	config      *config.Config
	data        string
	bookies     int          // in this process; 0: they are others, found by the metadata
	pulsar, web net.Listener // bound; the node closes them once it runs
	advertise   string
	log         *slog.Logger
}

// node is a process with a broker: all roles, or the broker and its worker. Things are started in the order of the fields, and closed in the
// opposite one.
type node struct {
	o                  nodeOptions
	host               string // that others are told
	pulsarURL, httpURL string
	failed             chan error // a listener that broke

	reserve  *metaReserve
	meta     meta.Store
	local    *local.Store // the same, in the data directory; nil: it is elsewhere
	bookies  []*bookie.Bookie
	dialer   *remote.Dialer // to bookies of other processes; nil: there are none
	registry *ledger.Registry
	clocks   *clocks.Clocks // of the cluster; nil: there is one process
	ledgers  *ledger.Client
	managed  *managed.Manager
	broker   *brokerRole
	workers  *workers
	http     *http.Server

	closers []closer
}

// closer is one step of the way down.
type closer struct {
	what  string
	close func(ctx context.Context) error
}

func (n *node) onClose(what string, close func(ctx context.Context) error) {
	n.closers = append(n.closers, closer{what, close})
}

// startNode starts all roles. When it returns, cookie, metadata and log are durable and clients are answered.
func startNode(ctx context.Context, o nodeOptions) (_ *node, err error) {
	n := &node{o: o, failed: make(chan error, 2)}
	host := o.advertise
	if host == "" {
		host = advertisedHost(o.pulsar.Addr())
	}
	n.host = host
	n.pulsarURL = "pulsar://" + net.JoinHostPort(host, port(o.pulsar))
	n.httpURL = "http://" + net.JoinHostPort(host, port(o.web))
	defer func() {
		if err != nil {
			err = errors.Join(err, n.close())
		}
	}()
	if o.bookies > 0 {
		err = n.startBookies(ctx)
	} else {
		err = n.findBookies(ctx)
	}
	if err != nil {
		return n, err
	}
	n.startLedgers()
	if err := n.startBroker(ctx); err != nil {
		return n, err
	}
	if n.workers, err = newWorkers(n); err != nil {
		return n, err
	}
	n.serve()
	return n, nil
}

func port(l net.Listener) string { return strconv.Itoa(l.Addr().(*net.TCPAddr).Port) }

// advertisedHost is what clients on this machine can use when nothing better is known.
func advertisedHost(a net.Addr) string {
	if t, ok := a.(*net.TCPAddr); ok && !t.IP.IsUnspecified() {
		return t.IP.String()
	}
	return "localhost"
}

// startBookies opens metadata and bookies in the data directory.
func (n *node) startBookies(ctx context.Context) error {
	if n.o.config.Metadata.URL != "" {
		return fault.ClusterMetadata.New("standalone keeps its metadata in its data directory; metadata.url is %s", n.o.config.Metadata.URL)
	}
	c := n.o.config
	var err error
	n.reserve = newMetaReserve(n.o.data, n.o.log)
	if n.local, err = local.Open(local.Options{Dir: filepath.Join(n.o.data, "meta"), Log: n.o.log, DiskFull: n.reserve.giveUp}); err != nil {
		if fault.Has(err, fault.MetaInUse) {
			return fault.ProcessDirInUse.New("%s%s", n.o.data, owner(n.o.data))
		}
		return err
	}
	n.meta = n.local
	n.onClose("metadata", func(context.Context) error { return n.meta.Close() })
	if err := own(n.o.data); err != nil {
		return err
	}
	if _, err := ledger.Format(ctx, n.meta); err != nil {
		return err
	}
	byID := map[string]*bookie.Bookie{}
	for i := range n.o.bookies {
		b, err := bookie.Open(ctx, filepath.Join(n.o.data, "bookie-"+strconv.Itoa(i)), bookieOptions(c, n.meta, n.o.log))
		if err != nil {
			return err
		}
		byID[b.ID()] = b
		n.bookies = append(n.bookies, b)
		n.onClose("bookie "+b.ID(), func(context.Context) error { return b.Close() })
	}
	n.registry, err = ledger.NewRegistry(ctx, n.meta, func(id string, _ bkwire.ServiceInfo) (ledger.BookieConn, error) {
		if b := byID[id]; b != nil {
			return b.Local(), nil
		}
		return nil, bk.ErrUnavailable
	})
	if err != nil {
		return err
	}
	n.onClose("bookie registry", func(context.Context) error { return n.registry.Close() })
	return nil
}

func bookieOptions(c *config.Config, m meta.Store, log *slog.Logger) bookie.Options {
	return bookie.Options{
		Meta: m, Log: log, GCInterval: c.Bookie.GarbageCollect, QueueBytes: 2 * c.Bookie.QueueSize,
		Segment: segment.Options{SegmentBytes: c.Bookie.SegmentSize, ReserveBytes: c.Bookie.DiskReserve, QueueBytes: c.Bookie.QueueSize},
	}
}

// findBookies opens the cluster's metadata, and reaches bookies over TCP.
func (n *node) findBookies(ctx context.Context) error {
	lock, err := lockData(n.o.data)
	if err != nil {
		return err
	}
	n.onClose("data directory", func(context.Context) error { return lock.Close() })
	if n.meta, err = openCluster(ctx, n.o.config, n.o.log); err != nil {
		return err
	}
	n.onClose("metadata", func(context.Context) error { return n.meta.Close() })
	instance, err := requireCluster(ctx, n.meta, n.o.config)
	if err == nil {
		err = keepTo(n.o.data, instance)
	}
	if err != nil {
		return err
	}
	if n.clocks, err = clocks.Open(ctx, clocks.Options{Meta: n.meta, ID: net.JoinHostPort(n.host, port(n.o.pulsar)), Log: n.o.log}); err != nil {
		return err
	}
	n.onClose("clocks", func(context.Context) error { return n.clocks.Close() })
	n.dialer = remote.NewDialer(remote.Options{Log: n.o.log, MaxFrame: int(n.o.config.Broker.MaxMessageSize) + bkwire.FramePadding})
	if n.registry, err = ledger.NewRegistry(ctx, n.meta, n.dialer.Dial); err != nil {
		return err
	}
	n.onClose("bookie registry", func(context.Context) error { return n.registry.Close() })
	return nil
}

// startLedgers starts what makes ledgers of bookies.
func (n *node) startLedgers() {
	n.ledgers = ledger.New(n.meta, n.registry, ledger.Options{Log: n.o.log})
	n.onClose("ledgers", func(context.Context) error { return n.ledgers.Close() })
	o := managed.Options{Ledgers: n.ledgers, Meta: n.meta, Log: n.o.log, CacheBytes: cacheBytes(n.o.config.Broker.CacheSize),
		Defaults: n.managedDefaults(), FlushInterval: n.o.config.Broker.CursorFlush}
	if n.clocks != nil {
		o.ClockAhead = n.clocks.Ahead
	}
	n.managed = managed.New(o)
	n.onClose("managed ledgers", n.managed.Close)
}

func cacheBytes(n int64) int64 {
	if n == 0 {
		return -1 // none
	}
	return n
}

// quorum is what the configuration asks for, or what the bookies of the process allow: 3/3/2 on three, 1/1/1 on one. On others it is 3/3/2: how many
// are there now says nothing about later, and with fewer the ledger client makes smaller ledgers and marks them.
func (n *node) quorum() bk.Quorum {
	b := n.o.config.Broker
	q := bk.Quorum{Ensemble: int(b.Ensemble), Write: int(b.WriteQuorum), Ack: int(b.AckQuorum)}
	if q.Ensemble == 0 {
		q.Ensemble = 3
		if n.o.bookies > 0 {
			q.Ensemble = min(n.o.bookies, 3)
		}
	}
	if q.Write == 0 {
		q.Write = q.Ensemble
	}
	if q.Ack == 0 {
		q.Ack = q.Write/2 + 1
	}
	return q
}

func (n *node) managedDefaults() managed.Config {
	b := n.o.config.Broker
	return managed.Config{Quorum: n.quorum(), MaxEntriesPerLedger: b.MaxEntriesPerLedger, MaxBytesPerLedger: b.MaxSizePerLedger,
		MinRollover: b.MinRollover, MaxRollover: b.MaxRollover}
}

// serve opens the doors: from here clients are answered.
func (n *node) serve() {
	n.onClose("broker connections", n.broker.server.Close)
	go func() {
		if err := n.broker.server.Serve(n.o.pulsar); err != nil && !errors.Is(err, net.ErrClosed) {
			n.failed <- fmt.Errorf("listener for clients: %w", err)
		}
	}()
	n.http = &http.Server{Handler: n.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(n.o.log.Handler(), slog.LevelDebug)}
	n.onClose("REST", func(ctx context.Context) error {
		if err := n.http.Shutdown(ctx); err != nil {
			return n.http.Close() // somebody follows a log
		}
		return nil
	})
	go func() {
		if err := n.http.Serve(n.o.web); !errors.Is(err, http.ErrServerClosed) {
			n.failed <- fmt.Errorf("listener for REST: %w", err)
		}
	}()
	n.onClose("worker", n.workers.close)
	n.workers.start()
	if n.reserve == nil {
		return
	}
	filled := make(chan struct{})
	go func() { // not on the way to the first publish
		defer close(filled)
		n.reserve.fill()
	}()
	n.onClose("reserve", func(context.Context) error { <-filled; return nil })
}

// close stops everything in order: functions and sources drain while the broker still serves them, then clients are asked to leave, then
// topics write their positions, then the storage ends.
func (n *node) close() error {
	closers := n.closers
	n.closers = nil
	return closeAll(closers)
}

// closeAll goes the steps backwards.
func closeAll(closers []closer) error {
	ctx, cancel := context.WithTimeout(context.Background(), drainTime)
	defer cancel()
	var errs []error
	for _, c := range slices.Backward(closers) {
		if err := c.close(ctx); err != nil && !fault.Has(err, fault.ShuttingDown) {
			errs = append(errs, fmt.Errorf("stopping %s: %w", c.what, err))
		}
	}
	return errors.Join(errs...)
}
