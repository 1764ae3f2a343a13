package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"github.com/strobemq/strobe/internal/fault"
)

const (
	// A member that hangs, or a network that swallows, is noticed by pings. gRPC sends them no more often than this.
	pingEvery   = 10 * time.Second
	pingTimeout = 3 * time.Second
	// Members that were away are tried at least this often (gRPC's own limit is two minutes), and a connection that comes to nothing
	// is given up after connectTime.
	reconnectEvery = 2 * time.Second
	connectTime    = 3 * time.Second
	// statusTime is how long one member may take to say which cluster it belongs to.
	statusTime = 3 * time.Second
	// maxRequest is the largest request that is sent; whether etcd takes it is its own setting (1.5 MiB unless set).
	maxRequest = 16 << 20
)

// Open connects to etcd and makes sure that its endpoints are one cluster (else fault.EtcdCluster), that a majority of it
// answers (EtcdUnreachable, after at most Options.Timeout), and that the user may read (EtcdAuth).
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	config := clientv3.Config{
		Endpoints: o.Endpoints, DialTimeout: o.Timeout, DialKeepAliveTime: pingEvery, DialKeepAliveTimeout: pingTimeout,
		MaxCallSendMsgSize: maxRequest, MaxUnaryRetries: 3, Username: o.User, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectEvery},
			MinConnectTimeout: connectTime,
		})},
	}
	if config.TLS, err = o.tlsConfig(); err != nil {
		return nil, err
	}
	if o.User != "" {
		if config.Password, err = o.secret("password", o.Password); err != nil {
			return nil, err
		}
		if config.Password == "" {
			return nil, fault.EtcdCredentials.New("the password of %s is empty", o.User)
		}
	}
	s := &Store{options: o, sessions: map[*session]bool{}}
	s.life, s.end = context.WithCancel(context.Background())
	if s.client, err = s.dial(ctx, config); err != nil {
		s.end()
		return nil, err
	}
	s.delivery.open()
	if err := s.meet(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// dial makes the client. It signs in, which may take several members' time-outs.
func (s *Store) dial(ctx context.Context, config clientv3.Config) (*clientv3.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		client, err := clientv3.New(config)
		if err == nil {
			return client, nil
		}
		if kindOf(err) == refused || wait(ctx, pause) != nil {
			return nil, coded(err)
		}
	}
}

// meet asks all members which cluster they are of, until one answers, and a majority whether it serves.
func (s *Store) meet(ctx context.Context) error {
	whole, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := s.compare(whole)
		if err == nil {
			break
		}
		if kindOf(err) == refused || fault.Has(err, fault.EtcdCluster) || wait(whole, pause) != nil {
			return coded(err)
		}
	}
	if _, err := s.revision(ctx); err != nil {
		return fmt.Errorf("open etcd: %w", err)
	}
	return nil
}

// compare fails when no member answers or two are of different clusters.
func (s *Store) compare(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	clusters, errs := make([]uint64, len(s.options.Endpoints)), make([]error, len(s.options.Endpoints))
	var wg sync.WaitGroup
	for i, endpoint := range s.options.Endpoints {
		wg.Go(func() {
			r, err := s.client.Status(ctx, endpoint)
			if errs[i] = err; err == nil {
				clusters[i] = r.Header.ClusterId
			}
		})
	}
	wg.Wait()
	from := ""
	for i, endpoint := range s.options.Endpoints {
		switch {
		case errs[i] != nil:
		case from == "":
			s.cluster, from = clusters[i], endpoint
		case s.cluster != clusters[i]:
			return fault.EtcdCluster.New("%s is of cluster %x, %s of cluster %x", from, s.cluster, endpoint, clusters[i])
		}
	}
	if from == "" {
		return errs[0]
	}
	for i, err := range errs {
		if err != nil {
			s.options.Log.Warn("an etcd member does not answer", "endpoint", s.options.Endpoints[i], "error", err)
		}
	}
	return nil
}
