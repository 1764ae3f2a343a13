package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/strobemq/strobe/internal/config"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/worker"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/etcd"
	"github.com/strobemq/strobe/storage/vfs"
)

// slowMetadata is after how long a start that waits for the metadata says so.
const slowMetadata = 2 * time.Second

// openCluster opens the metadata that the processes of a cluster share.
func openCluster(ctx context.Context, c *config.Config, log *slog.Logger) (meta.Store, error) {
	m := c.Metadata
	if m.URL == "" {
		return nil, fault.ClusterMetadata.New("metadata.url is not set")
	}
	o, err := etcd.ParseURL(m.URL)
	if err != nil {
		return nil, err
	}
	secrets := worker.Secrets{Environment: c.Worker.SecretEnv, Directories: c.Worker.SecretDirs}
	o.User, o.Password, o.Secret = m.User, m.Password, secrets.Resolve
	o.TLS = etcd.TLS{CA: m.CA, Certificate: m.Certificate, Key: m.Key, ServerName: m.TLSServerName}
	o.SessionTimeout, o.Log = m.SessionTimeout, log
	slow := time.AfterFunc(slowMetadata, func() { log.Warn("etcd has not answered yet, waiting on", "metadata", m.URL) })
	defer slow.Stop()
	return etcd.Open(ctx, o)
}

// requireCluster makes sure that somebody founded a cluster there, whose ledgers this version can find, and returns its instance id: a
// process that is pointed at the wrong store must not begin one.
func requireCluster(ctx context.Context, m meta.Store, c *config.Config) (instance string, err error) {
	instance, err = ledger.Instance(ctx, m)
	if errors.Is(err, meta.ErrNotFound) {
		return "", fault.ClusterMissing.New("%s", c.Metadata.URL)
	}
	return instance, err
}

// clusterFile says in a broker's directory which cluster it belongs to. A bookie's cookie says it for its volume.
const clusterFile = "CLUSTER"

// keepTo makes a directory that of a cluster, and refuses one that is another's.
func keepTo(data, instance string) error {
	path := filepath.Join(data, clusterFile)
	text, err := vfs.ReadFile(vfs.OS, path)
	switch was := strings.TrimSpace(string(text)); {
	case errors.Is(err, fs.ErrNotExist), err == nil && was == "":
		err = vfs.ReplaceFile(vfs.OS, path, []byte(instance+"\n"))
	case err == nil && was != instance:
		return fault.ClusterForeign.New("%s: cluster %.100q, and the metadata is that of %s", data, was, instance)
	}
	if err != nil {
		return fault.ProcessDataDir.New("%w", err)
	}
	return nil
}

// lockData makes the data directory this process's own, until the lock is closed.
func lockData(data string) (io.Closer, error) {
	lock, err := vfs.OS.Lock(filepath.Join(data, "LOCK"))
	if err != nil {
		return nil, fault.ProcessDirInUse.New("%s%s: %w", data, owner(data), err)
	}
	if err := own(data); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}
