package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/strobemq/strobe/internal/fault"
)

const (
	// A member that hangs, or a network that swallows, is noticed by pings. etcd allows one every 5 s.
	pingEvery   = 5 * time.Second
	pingTimeout = 3 * time.Second
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

// meet asks all members which cluster they are of, and a majority whether it serves.
func (s *Store) meet(ctx context.Context) error {
	type answer struct {
		cluster uint64
		err     error
	}
	answers := make([]answer, len(s.options.Endpoints))
	var wg sync.WaitGroup
	for i, endpoint := range s.options.Endpoints {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, statusTime)
			defer cancel()
			r, err := s.client.Status(ctx, endpoint)
			if err == nil {
				answers[i].cluster = r.Header.ClusterId
			}
			answers[i].err = err
		})
	}
	wg.Wait()
	from := ""
	for i, a := range answers {
		endpoint := s.options.Endpoints[i]
		switch {
		case a.err != nil:
			s.options.Log.Warn("an etcd member does not answer", "endpoint", endpoint, "error", a.err)
		case from == "":
			s.cluster, from = a.cluster, endpoint
		case s.cluster != a.cluster:
			return fault.EtcdCluster.New("%s is of cluster %x, %s of cluster %x", from, s.cluster, endpoint, a.cluster)
		}
	}
	if _, err := s.revision(ctx); err != nil {
		return fmt.Errorf("open etcd: %w", err)
	}
	return nil
}
