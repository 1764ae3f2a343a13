package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/config"
	"github.com/strobemq/strobe/internal/fault"
)

// drainTime is how long a stop may take before what is left is cut off.
const drainTime = 20 * time.Second

type standaloneFlags struct {
	data, listen, http, advertise, config string
	set                                   []string
	bookies                               int
}

func standaloneCommand() *cobra.Command {
	var f standaloneFlags
	c := &cobra.Command{
		Use: "standalone", GroupID: "server", Short: "Run metadata, bookie, broker, REST and worker in one process",
		Long: "Runs everything in one process, with all data in one directory. Stock Pulsar clients connect to --listen, admin tools to --http.\n" +
			"SIGTERM or Ctrl-C stops in order; a kill at any moment loses nothing that was acknowledged.",
		Example: "  strobe standalone\n  strobe standalone --data /var/lib/strobe --set broker.maxMessageSize=1048576\n  strobe standalone --listen 127.0.0.1:0 --http 127.0.0.1:0 -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			format, _ := c.Flags().GetString("format")
			return runStandalone(c.Context(), f, format, c)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.data, "data", "strobe-data", "directory for everything that is kept")
	fl.StringVar(&f.listen, "listen", "127.0.0.1:6650", "address for Pulsar clients; port 0: any free one")
	fl.StringVar(&f.http, "http", "127.0.0.1:8080", "address for REST and metrics; port 0: any free one")
	fl.StringVar(&f.advertise, "advertise", "", "host name that clients are told; the host of --listen unless given")
	fl.StringVar(&f.config, "config", "", "configuration file (strobe.yaml)")
	fl.StringArrayVar(&f.set, "set", nil, "a configuration key, key=value; `strobe config keys` lists them")
	fl.IntVar(&f.bookies, "bookies", 1, "bookies in the process: 1, or 3 for ledgers of 3/3/2 (one disk: for trying out, not for safety)")
	return c
}

func runStandalone(ctx context.Context, f standaloneFlags, format string, c *cobra.Command) error {
	start := time.Now()
	cfg, errs := config.Load(f.config, f.set)
	if errs != nil {
		return errors.Join(errs...)
	}
	if f.bookies != 1 && f.bookies != 3 {
		return fault.CLIUsage.New("--bookies %d; want 1 or 3", f.bookies)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	servePprof(log, pprofAddress)
	data, err := filepath.Abs(f.data)
	if err != nil {
		return fault.ProcessDataDir.New("%s: %w", f.data, err)
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return fault.ProcessDataDir.New("%w", err)
	}
	pulsar, err := listen(f.listen)
	if err != nil {
		return err
	}
	web, err := listen(f.http)
	if err != nil {
		pulsar.Close()
		return err
	}
	n, err := startNode(ctx, nodeOptions{config: cfg, data: data, bookies: f.bookies, pulsar: pulsar, web: web, advertise: f.advertise, log: log})
	if err != nil {
		pulsar.Close()
		web.Close()
		return err
	}
	warnOpen(log, pulsar.Addr(), web.Addr())
	if err := announce(c, n, data, format, time.Since(start)); err != nil {
		return errors.Join(err, n.close())
	}
	select {
	case <-ctx.Done():
	case err = <-n.failed:
	}
	return errors.Join(err, n.close())
}

// announce says that the node is ready, and where.
func announce(c *cobra.Command, n *node, data, format string, took time.Duration) error {
	out := c.OutOrStdout()
	if format != "table" {
		return json.NewEncoder(out).Encode(map[string]any{"pulsar": n.pulsarURL, "http": n.httpURL, "data": data, "pid": os.Getpid(), "version": version, "readyMs": took.Milliseconds()})
	}
	_, err := fmt.Fprintf(out, "strobe %s is ready after %d ms\n  pulsar  %s\n  http    %s\n  data    %s\n", version, took.Milliseconds(), n.pulsarURL, n.httpURL, data)
	return err
}

func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fault.ProcessPortInUse.New("%s%s", addr, holder(addr))
	}
	return nil, fault.ProcessListen.New("%s: %w", addr, err)
}

// warnOpen warns when everybody on the network may do everything.
func warnOpen(log *slog.Logger, addrs ...net.Addr) {
	for _, a := range addrs {
		if t, ok := a.(*net.TCPAddr); ok && !t.IP.IsLoopback() {
			log.Warn("listening beyond this machine without authentication: whoever reaches the address may read, publish and deploy code", "address", a.String())
		}
	}
}
