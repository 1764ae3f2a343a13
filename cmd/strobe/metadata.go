package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/strobemq/strobe/internal/config"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/worker"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/etcd"
	"github.com/strobemq/strobe/storage/vfs"
)

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
	return etcd.Open(ctx, o)
}

// requireCluster makes sure that somebody founded a cluster there: a process that is pointed at the wrong store must not begin one.
func requireCluster(ctx context.Context, m meta.Store, c *config.Config) error {
	_, err := m.Get(ctx, bkwire.InstancePath)
	if errors.Is(err, meta.ErrNotFound) {
		return fault.ClusterMissing.New("%s", c.Metadata.URL)
	}
	return err
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
