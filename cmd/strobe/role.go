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
	"time"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/config"
	"github.com/strobemq/strobe/internal/fault"
)

// roleFlags are those of every command that runs a server.
type roleFlags struct {
	data, listen, http, advertise, config, metadata string
	set                                             []string
}

func (f *roleFlags) add(c *cobra.Command, data, listen, http string) {
	fl := c.Flags()
	fl.StringVar(&f.data, "data", data, "directory for everything that is kept")
	fl.StringVar(&f.listen, "listen", listen, "address for clients; port 0: any free one")
	fl.StringVar(&f.http, "http", http, "address for REST and metrics; port 0: any free one")
	fl.StringVar(&f.advertise, "advertise", "", "host name that others are told; the host of --listen unless given")
	fl.StringVar(&f.config, "config", "", "configuration file (strobe.yaml)")
	fl.StringArrayVar(&f.set, "set", nil, "a configuration key, key=value; `strobe config keys` lists them")
}

func (f *roleFlags) addMetadata(c *cobra.Command) {
	c.Flags().StringVar(&f.metadata, "metadata", "", "metadata of the cluster, etcd://host:port,host:port/prefix (metadata.url)")
}

// role is a process that serves: its configuration, directory and bound listeners.
type role struct {
	config      *config.Config
	data        string
	listen, web net.Listener
	log         *slog.Logger
	began       time.Time
}

// begin reads the configuration, makes the data directory and binds the addresses.
func (f *roleFlags) begin() (*role, error) {
	r := &role{began: time.Now()}
	if f.metadata != "" {
		f.set = append(f.set, "metadata.url="+f.metadata)
	}
	var errs []error
	if r.config, errs = config.Load(f.config, f.set); errs != nil {
		return nil, errors.Join(errs...)
	}
	r.log = newLog(r.config.Log.Level)
	servePprof(r.log, pprofAddress)
	var err error
	if r.data, err = filepath.Abs(f.data); err != nil {
		return nil, fault.ProcessDataDir.New("%s: %w", f.data, err)
	}
	if err := os.MkdirAll(r.data, 0o755); err != nil {
		return nil, fault.ProcessDataDir.New("%w", err)
	}
	if r.listen, err = listen(f.listen); err != nil {
		return nil, err
	}
	if r.web, err = listen(f.http); err != nil {
		r.listen.Close()
		return nil, err
	}
	return r, nil
}

// newLog is the log of a process; level is a value of log.level, or nothing.
func newLog(level string) *slog.Logger {
	var l slog.Level // info
	_ = l.UnmarshalText([]byte(level))
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l}))
}

// abandon closes the listeners of a role that could not start.
func (r *role) abandon() {
	r.listen.Close()
	r.web.Close()
}

// place is a line of what a role says when it is ready: under key in JSON, under a label for people.
type place struct{ key, label, value string }

// announce says that the process is ready, and where.
func (r *role) announce(c *cobra.Command, what, format string, places ...place) error {
	took := time.Since(r.began).Milliseconds()
	out := c.OutOrStdout()
	if format != "table" {
		m := map[string]any{"data": r.data, "pid": os.Getpid(), "version": version, "readyMs": took}
		for _, p := range places {
			m[p.key] = p.value
		}
		return json.NewEncoder(out).Encode(m)
	}
	if _, err := fmt.Fprintf(out, "%s %s is ready after %d ms\n", what, version, took); err != nil {
		return err
	}
	for _, p := range append(places, place{"", "data", r.data}) {
		if _, err := fmt.Fprintf(out, "  %-7s %s\n", p.label, p.value); err != nil {
			return err
		}
	}
	return nil
}

// wait returns when the process is to stop: ctx is done, or a listener broke.
func wait(ctx context.Context, failed <-chan error) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
