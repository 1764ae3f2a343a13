package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"github.com/strobemq/strobe/broker/auth"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/connectors/all"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/host"
	"github.com/strobemq/strobe/runtime/topicio"
	"github.com/strobemq/strobe/runtime/worker"
)

// workerRole ties the function worker to the node.
type workerRole struct {
	n        *node
	client   *topicio.Client
	launcher *host.Launcher
	worker   *worker.Worker
}

func (n *node) newWorker() (*workerRole, error) {
	c := n.o.config.Worker
	dir := filepath.Join(n.o.data, "worker")
	cache := c.CacheDir
	if cache == "" {
		cache = filepath.Join(dir, "compiled")
	}
	logs := filepath.Join(dir, "logs")
	program, err := os.Executable()
	if err != nil {
		return nil, fault.ProcessHost.New("%w", err)
	}
	w := &workerRole{n: n, client: topicio.NewClient(n.pulsarURL)}
	secrets := worker.Secrets{Environment: c.SecretEnv, Directories: c.SecretDirs}
	modules := filepath.Join(dir, "modules")
	clean(n.o.log, filepath.Join(dir, judging), filepath.Join(modules, fetching))
	w.launcher = host.NewLauncher(host.Options{
		Command: []string{program, "host", n.o.config.Log.Level}, Log: n.o.log, Secret: secrets.Resolve,
		Settings: host.Settings{Pulsar: n.pulsarURL, HTTP: n.httpURL, CacheDir: cache, LogDir: logs, LogBytes: c.LogSize,
			MaxMessageSize: int(n.o.config.Broker.MaxMessageSize)},
		LoadCheckpoint: func(ctx context.Context, k functions.Kind, f functions.FQName, i int) ([]byte, error) {
			return w.worker.LoadCheckpoint(ctx, k, f, i)
		},
		SaveCheckpoint: func(ctx context.Context, k functions.Kind, f functions.FQName, i int, v []byte) error {
			return w.worker.SaveCheckpoint(ctx, k, f, i, v)
		},
		LoadShared: func(ctx context.Context, k functions.Kind, f functions.FQName, key string) ([]byte, error) {
			return w.worker.LoadShared(ctx, k, f, key)
		},
		SwapShared: func(ctx context.Context, k functions.Kind, f functions.FQName, key string, old, new []byte) ([]byte, error) {
			return w.worker.SwapShared(ctx, k, f, key, old, new)
		},
	})
	w.worker = worker.New(worker.Options{
		ID:   "c-" + n.o.config.Broker.ClusterName + "-fw-" + n.host + "-" + port(n.o.web), // as Pulsar forms it
		Meta: n.meta, Launcher: w.launcher, Artifacts: &artifacts{meta: n.meta, ledgers: n.ledgers, quorum: n.quorum(), dir: modules},
		Connectors: all.Types, Secrets: secrets, MaxUpload: n.o.config.HTTP.MaxUpload, Log: n.o.log, Client: w.client,
		Defaults:   worker.Defaults{MemoryBytes: c.GuestMemory, Deadline: c.GuestDeadline, MaxAttempts: int(c.MaxAttempts)},
		LogFile:    func(k functions.Kind, f functions.FQName, i int) string { return host.LogFile(logs, k, f, i) },
		Validate:   func(ctx context.Context, module []byte, memory int64) error { return w.judge(ctx, dir, module, memory) },
		CheckTopic: newTopic, Unsubscribe: w.unsubscribe, Lag: w.lag, Authorize: func(r *http.Request, action, resource string) error {
			return n.broker.authorizeREST(r, auth.Action(action), resource)
		},
	})
	return w, nil
}

// newTopic judges the full name of a topic that a function or source is going to use.
func newTopic(full string) error {
	n, err := topicname.Parse(full)
	if err != nil {
		return err
	}
	return n.CheckNew()
}

// clean removes files that were being written when a former process ended. Nothing writes any yet.
func clean(log *slog.Logger, patterns ...string) {
	for _, p := range patterns {
		files, _ := filepath.Glob(p) // the patterns are ours
		for _, f := range files {
			if err := os.Remove(f); err != nil {
				log.Warn("a file of a former run stays", "file", f, "error", err)
			}
		}
	}
}

// judging is the pattern of modules that are being judged.
const judging = "upload-*.wasm"

// judge hands a module to the child as a file.
func (w *workerRole) judge(ctx context.Context, dir string, module []byte, memory int64) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, judging)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(module)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return w.launcher.Judge(ctx, f.Name(), memory)
}

// start begins to reconcile. The broker does not wait for it and never depends on it.
func (w *workerRole) start() {
	if err := w.worker.Start(); err != nil {
		w.n.o.log.Error("functions and sources are not started", "error", err)
	}
}

func (w *workerRole) close(ctx context.Context) error {
	err := w.worker.Close(ctx)
	w.launcher.Close()
	w.client.Close()
	return err
}
