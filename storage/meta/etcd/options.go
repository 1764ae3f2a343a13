package etcd

import (
	"log/slog"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// Options of a store on etcd. Endpoints are needed; ParseURL makes them.
type Options struct {
	// Endpoints are the members' client URLs, http://host:port or https://host:port, all of one cluster.
	Endpoints []string
	// Prefix stands before every key, "" or "/name". Apache's brokers know no prefix; a cluster they share has none.
	Prefix string
	// User and Password sign in where etcd's authentication is on. Password is a reference, env:NAME or file:/path.
	User, Password string
	TLS            TLS
	// Secret resolves references. Needed when there are any.
	Secret func(reference string) (string, error)
	// SessionTimeout is how long a session outlives its last sign of life, whole seconds, at least what etcd allows (1.5 × its
	// election time-out). Default: 10 s.
	SessionTimeout time.Duration
	// Timeout is the longest that one call takes when its context allows more. Default: 30 s.
	Timeout time.Duration
	// Log gets warnings and errors; nothing in a healthy steady state. Default: discard.
	Log *slog.Logger
}

// TLS says how https endpoints are checked and what this client shows them. All empty: the system's authorities, no client
// certificate.
type TLS struct {
	CA          string // file of PEM certificates that may sign the members'
	Certificate string // file of this client's PEM certificate, read anew for every connection
	Key         string // reference to its PEM key, resolved anew for every connection
	ServerName  string // the name the members' certificates must have, where it is not the endpoint's host
}

func (o Options) withDefaults() (Options, error) {
	if len(o.Endpoints) == 0 {
		return o, fault.EtcdAddress.New("no endpoint")
	}
	if o.Prefix != "" {
		if err := meta.CheckKey(o.Prefix); err != nil {
			return o, fault.EtcdAddress.New("prefix: %w", err)
		}
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 10 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("component", "meta", "store", "etcd")
	return o, nil
}
