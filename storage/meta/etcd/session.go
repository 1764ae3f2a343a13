package etcd

import (
	"context"
	"errors"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// session is a lease, kept alive by a goroutine of its own.
type session struct {
	store *Store
	lease clientv3.LeaseID
	ttl   time.Duration // as etcd granted it
	lost  chan struct{}

	stop      context.CancelFunc
	joined    chan struct{} // closed when the goroutine has ended
	closeOnce sync.Once
	closeErr  error

	mu    sync.Mutex
	ended bool
}

// Session implements meta.Store.
func (s *Store) Session(ctx context.Context) (meta.Session, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.busy.Done()
	seconds := int64((s.options.SessionTimeout + time.Second - 1) / time.Second)
	var r *clientv3.LeaseGrantResponse
	// A lease whose answer was lost ends by itself, with nothing bound to it.
	_, err := s.call(ctx, readTime, func(ctx context.Context) (*pb.ResponseHeader, error) {
		var err error
		if r, err = s.client.Grant(ctx, seconds); err != nil {
			return nil, err
		}
		return r.ResponseHeader, nil
	})
	if err != nil {
		return nil, err
	}
	x := &session{
		store: s, lease: r.ID, ttl: time.Duration(r.TTL) * time.Second, lost: make(chan struct{}), joined: make(chan struct{}),
	}
	life, stop := context.WithCancel(context.Background())
	x.stop = stop
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		stop()
		return nil, meta.ErrClosed
	}
	s.sessions[x] = true
	go x.keep(life)
	return x, nil
}

// keep renews the lease three times in its life, more often when etcd does not answer, until it is gone or ctx ends.
func (x *session) keep(ctx context.Context) {
	defer close(x.joined)
	log := x.store.options.Log.With("session", int64(x.lease))
	every := x.ttl / 3
	renewed, doubt := time.Now(), false
	for pause := every; wait(ctx, pause) == nil; {
		attempt, cancel := context.WithTimeout(ctx, max(every, time.Second))
		began := time.Now()
		alive, err := x.renew(attempt)
		cancel()
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !alive:
			log.Warn("etcd ended the session", "silent", began.Sub(renewed))
			x.end()
			return
		case err == nil:
			if doubt {
				log.Info("the session goes on")
			}
			renewed, doubt, pause = began, false, every
		default:
			if !doubt && time.Since(renewed) > x.ttl {
				doubt = true
				log.Warn("etcd does not answer: the session may be over", "silent", time.Since(renewed), "error", err)
			}
			pause = min(longestPause, every)
		}
	}
}

// renew asks for one renewal. The client's own way repeats without pause while no member can be reached.
func (x *session) renew(ctx context.Context) (alive bool, err error) {
	stream, err := pb.NewLeaseClient(x.store.client.ActiveConnection()).LeaseKeepAlive(ctx, grpc.WaitForReady(true))
	if err != nil {
		return false, err
	}
	if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(x.lease)}); err != nil {
		return false, err
	}
	r, err := stream.Recv()
	if err != nil {
		return false, err
	}
	if err := x.store.check(r.Header); err != nil {
		return false, err
	}
	return r.TTL > 0, nil
}

// PutEphemeral implements meta.Session. Its meta.ErrUnknown leaves open whether the value there is this session's.
func (x *session) PutEphemeral(ctx context.Context, key string, data []byte) (meta.Version, error) {
	if err := meta.CheckKey(key); err != nil {
		return 0, err
	}
	if err := meta.CheckValue(key, data); err != nil {
		return 0, err
	}
	s := x.store
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.busy.Done()
	x.mu.Lock()
	ended := x.ended
	x.mu.Unlock()
	if ended {
		return 0, meta.ErrClosed
	}
	versions, err := s.change(ctx, []meta.Change{{Key: key, Data: data, Expect: meta.Absent}}, x.lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		x.end()
		return 0, meta.ErrClosed
	}
	if err != nil {
		return 0, err
	}
	return versions[0], nil
}

func (x *session) Lost() <-chan struct{} { return x.lost }

// end says that the session is over.
func (x *session) end() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		return
	}
	x.ended = true
	close(x.lost)
	s := x.store
	s.mu.Lock()
	delete(s.sessions, x)
	s.mu.Unlock()
}

// Close revokes the lease. When etcd does not answer soon, the values stay until the session's time-out, and the error says so.
func (x *session) Close() error {
	x.closeOnce.Do(func() {
		x.stop()
		<-x.joined
		x.mu.Lock()
		ended := x.ended
		x.mu.Unlock()
		if ended {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		for pause := firstPause; ; pause = min(2*pause, longestPause) {
			_, err := x.store.client.Revoke(ctx, x.lease)
			if err == nil || errors.Is(err, rpctypes.ErrLeaseNotFound) {
				break
			}
			if kindOf(err) == refused || wait(ctx, pause) != nil {
				x.closeErr = fault.EtcdUnreachable.New("a session's values stay for up to %s: %w", x.ttl, err)
				break
			}
		}
		x.end()
	})
	return x.closeErr
}
