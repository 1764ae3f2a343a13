package main

import (
	"errors"
	"log/slog"
	"net"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
)

func standaloneCommand() *cobra.Command {
	var f roleFlags
	var bookies int
	c := &cobra.Command{
		Use: "standalone", GroupID: "server", Short: "Run metadata, bookie, broker, REST and worker in one process",
		Long: "Runs everything in one process, with all data in one directory. Stock Pulsar clients connect to --listen, admin tools to --http.\n" +
			"SIGTERM or Ctrl-C stops in order; a kill at any moment loses nothing that was acknowledged.",
		Example: "  strobe standalone\n  strobe standalone --data /var/lib/strobe --set broker.maxMessageSize=1048576\n  strobe standalone --listen 127.0.0.1:0 --http 127.0.0.1:0 -o json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if bookies != 1 && bookies != 3 {
				return fault.CLIUsage.New("--bookies %d; want 1 or 3", bookies)
			}
			return runBroker(c, &f, bookies)
		},
	}
	f.add(c, "strobe-data", "127.0.0.1:6650", "127.0.0.1:8080")
	c.Flags().IntVar(&bookies, "bookies", 1, "bookies in the process: 1, or 3 for ledgers of 3/3/2 (one disk: for trying out, not for safety)")
	return c
}

func brokerCommand() *cobra.Command {
	var f roleFlags
	c := &cobra.Command{
		Use: "broker", GroupID: "server", Short: "Run a broker of a cluster, with REST and the function worker",
		Long: "Runs a broker whose metadata is on etcd and whose messages are on bookies (`strobe bookie`). It keeps nothing that it could not do without:\n" +
			"--data holds compiled modules and logs. Of several brokers one runs functions and sources; when it goes another takes them.",
		Example: "  strobe broker --metadata etcd://etcd-0:2379,etcd-1:2379 --listen 0.0.0.0:6650 --http 0.0.0.0:8080 --advertise broker-0.example",
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return runBroker(c, &f, 0) },
	}
	f.add(c, "strobe-broker", "127.0.0.1:6650", "127.0.0.1:8080")
	f.addMetadata(c)
	return c
}

// runBroker runs a node with so many bookies of its own; 0: they are other processes.
func runBroker(c *cobra.Command, f *roleFlags, bookies int) error {
	ctx := c.Context()
	format, _ := c.Flags().GetString("format")
	r, err := f.begin()
	if err != nil {
		return err
	}
	n, err := startNode(ctx, nodeOptions{config: r.config, data: r.data, bookies: bookies, pulsar: r.listen, web: r.web, advertise: f.advertise, log: r.log})
	if err != nil {
		r.abandon()
		return err
	}
	warnOpen(r.log, r.listen.Addr(), r.web.Addr())
	name := "strobe"
	if bookies == 0 {
		name = "strobe broker"
	}
	if err = r.announce(c, name, format, place{"pulsar", "pulsar", n.pulsarURL}, place{"http", "http", n.httpURL}); err == nil {
		err = wait(ctx, n.failed)
	}
	return errors.Join(err, n.close())
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
