package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

const (
	// attemptTime is how long one member may take to answer a request that may be sent again: longer than an election, because a
	// member that has no leader answers after it.
	attemptTime  = 4 * time.Second
	firstPause   = 20 * time.Millisecond
	longestPause = 500 * time.Millisecond
)

// kind is what an error of a request says about its effect.
type kind int

const (
	refused kind = iota // it had no effect and will have none
	later               // it had no effect; another try may succeed
	lost                // it may have had, or have yet, its effect
)

func kindOf(err error) kind {
	var server rpctypes.EtcdError
	code := status.Code(err)
	if errors.As(err, &server) {
		code = server.Code()
	}
	switch code {
	case codes.InvalidArgument, codes.OutOfRange, codes.NotFound, codes.FailedPrecondition, codes.PermissionDenied, codes.Unauthenticated,
		codes.Unimplemented, codes.AlreadyExists:
		return refused
	case codes.ResourceExhausted:
		if errors.Is(err, rpctypes.ErrTooManyRequests) {
			return later
		}
		return refused
	}
	return lost
}

// coded gives an error that reaches users its code.
func coded(err error) error {
	var server rpctypes.EtcdError
	code := status.Code(err)
	if errors.As(err, &server) {
		code = server.Code()
	}
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fault.EtcdSpace.New("%w", err)
	case errors.Is(err, rpctypes.ErrRequestTooLarge), errors.Is(err, rpctypes.ErrTooManyOps), code == codes.ResourceExhausted && server.Error() == "":
		return fault.EtcdRequest.New("%w", err)
	case errors.Is(err, rpctypes.ErrAuthFailed), errors.Is(err, rpctypes.ErrUserEmpty), errors.Is(err, rpctypes.ErrUserNotFound),
		code == codes.PermissionDenied, code == codes.Unauthenticated:
		return fault.EtcdAuth.New("%w", err)
	case kindOf(err) == refused:
		return err
	}
	return fault.EtcdUnreachable.New("%w", err)
}

// call sends a request with send until it is answered. again says that it may be sent again when its answer was lost. maybe tells
// that some answer was lost, so that the request may have had its effect whatever err says. The caller has begun.
func (s *Store) call(ctx context.Context, again bool, send func(ctx context.Context) (*pb.ResponseHeader, error)) (maybe bool, err error) {
	s.calls.Add(1)
	whole, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		attempt, stop := whole, context.CancelFunc(func() {})
		if again {
			attempt, stop = context.WithTimeout(whole, attemptTime)
		}
		header, err := send(attempt)
		stop()
		if err == nil {
			return maybe, s.check(header)
		}
		is := kindOf(err)
		if is == refused {
			return maybe, coded(err)
		}
		maybe = maybe || is == lost
		if is == lost && !again || wait(whole, pause) != nil {
			switch {
			case ctx.Err() != nil:
				return maybe, ctx.Err()
			case s.life.Err() != nil:
				return maybe, meta.ErrClosed
			}
			return maybe, coded(err)
		}
		s.repeated.Add(1)
	}
}

// check refuses the answer of another cluster.
func (s *Store) check(h *pb.ResponseHeader) error {
	if h.ClusterId != s.cluster {
		return fault.EtcdCluster.New("member %x is of cluster %x, this process began with cluster %x", h.MemberId, h.ClusterId, s.cluster)
	}
	return nil
}

// uncertain is the error of a change whose effect is not known.
func (s *Store) uncertain(err error) error {
	s.unknown.Add(1)
	return fmt.Errorf("%w: %w", meta.ErrUnknown, err)
}

// wait waits for d, at most as long as ctx.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
