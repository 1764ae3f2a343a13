package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/bookie/server"
	"github.com/strobemq/strobe/storage/clocks"
	"github.com/strobemq/strobe/storage/meta"
)

func bookieCommand() *cobra.Command {
	var f roleFlags
	c := &cobra.Command{
		Use: "bookie", GroupID: "server", Short: "Run a bookie of a cluster: the place where messages lie",
		Long: "Runs a bookie, which keeps entries of ledgers on its disk and speaks BookKeeper's protocol. Its id is born with the volume in --data and\n" +
			"stays with it: the volume can move to another machine. Brokers find it by the metadata.",
		Example: "  strobe bookie --metadata etcd://etcd-0:2379 --data /var/lib/strobe-bookie --listen 0.0.0.0:3181 --advertise bookie-0.example",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return runBookie(c, &f) },
	}
	f.add(c, "strobe-bookie", "127.0.0.1:3181", "127.0.0.1:8000")
	f.addMetadata(c)
	return c
}

func runBookie(c *cobra.Command, f *roleFlags) (err error) {
	ctx := c.Context()
	format, _ := c.Flags().GetString("format")
	r, err := f.begin()
	if err != nil {
		return err
	}
	b, err := startBookie(ctx, r, f.advertise)
	defer func() { err = errors.Join(err, b.close()) }()
	if err != nil {
		r.abandon()
		return err
	}
	warnOpen(r.log, r.listen.Addr(), r.web.Addr())
	if err = r.announce(c, "strobe bookie", format, place{"id", "id", b.bookie.ID()}, place{"bookie", "bookie", b.address}, place{"http", "http", "http://" + r.web.Addr().String()}); err != nil {
		return err
	}
	return wait(ctx, b.failed)
}

// bookieRole is a process with one bookie.
type bookieRole struct {
	bookie  *bookie.Bookie
	server  *server.Server
	clocks  *clocks.Clocks
	meta    meta.Store
	address string     // host:port that others are told
	failed  chan error // a listener that broke

	closers []closer
}

// startBookie starts the bookie of r. What was started before an error is closed by close.
func startBookie(ctx context.Context, r *role, advertise string) (*bookieRole, error) {
	b := &bookieRole{failed: make(chan error, 2)}
	var err error
	if b.meta, err = openCluster(ctx, r.config, r.log); err != nil {
		return b, err
	}
	b.closers = append(b.closers, closer{"metadata", func(context.Context) error { return b.meta.Close() }})
	if _, err := requireCluster(ctx, b.meta, r.config); err != nil {
		return b, err
	}
	host := advertise
	if host == "" {
		host = advertisedHost(r.listen.Addr())
	}
	b.address = net.JoinHostPort(host, port(r.listen))
	o := bookieOptions(r.config, b.meta, r.log)
	o.ServiceInfo.Endpoints = []bkwire.Endpoint{bkwire.RPCEndpoint(host, r.listen.Addr().(*net.TCPAddr).Port)}
	if b.bookie, err = bookie.Open(ctx, r.data, o); err != nil {
		return b, err
	}
	b.closers = append(b.closers, closer{"bookie", func(context.Context) error { return b.bookie.Close() }})
	if err := own(r.data); err != nil {
		return b, err
	}
	if b.clocks, err = clocks.Open(ctx, clocks.Options{Meta: b.meta, ID: b.bookie.ID(), Log: r.log}); err != nil {
		return b, err
	}
	b.closers = append(b.closers, closer{"clocks", func(context.Context) error { return b.clocks.Close() }})
	b.server = server.New(b.bookie, server.Options{Log: r.log, MaxFrame: int(r.config.Broker.MaxMessageSize) + bkwire.FramePadding})
	b.closers = append(b.closers, closer{"connections", func(context.Context) error { return b.server.Close() }})
	go func() {
		if err := b.server.Serve(r.listen); err != nil && !errors.Is(err, net.ErrClosed) {
			b.failed <- fmt.Errorf("listener for ledgers: %w", err)
		}
	}()
	web := &http.Server{Handler: b.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug)}
	b.closers = append(b.closers, closer{"REST", web.Shutdown})
	go func() {
		if err := web.Serve(r.web); !errors.Is(err, http.ErrServerClosed) {
			b.failed <- fmt.Errorf("listener for REST: %w", err)
		}
	}()
	return b, nil
}

// handler is what a bookie serves over HTTP; all of it only reads.
func (b *bookieRole) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", serveMetrics(append(append(bookieCollectors(b.bookie), serverCollectors(b.server, b.bookie.ID())...),
		newScraper(clockMetrics, nil, once(b.clocks.Metrics)))...))
	mux.HandleFunc("GET /healthz", alive)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := b.bookie.ReadOnly(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		if !b.bookie.Registered() {
			http.Error(w, fault.BookieRegistration.New("brokers that do not know it yet cannot find it").Error(), http.StatusServiceUnavailable)
			return
		}
		alive(w, nil)
	})
	return mux
}

// close stops what runs, in order: nobody asks any more, then the bookie drains its log.
func (b *bookieRole) close() error { return closeAll(b.closers) }
