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
	// How long a member may take to answer before a request is sent to another one; the next one has twice as long, at most longestPatience. A change that is
	// sent again while the first is only slow ends as unknown, so it waits longer than what may be done any number of times.
	readTime        = time.Second
	changeTime      = 2 * time.Second
	longestPatience = 4 * time.Second
	once            = time.Duration(0) // the request must not be sent again

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
	if _, has := fault.Of(err); has {
		return err
	}
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

// call sends a request with send until it is answered. patience is how long the first member may take, or once. maybe tells that
// some answer was lost, so that the request may have had its effect whatever err says. The caller has begun.
func (s *Store) call(ctx context.Context, patience time.Duration, send func(ctx context.Context) (*pb.ResponseHeader, error)) (maybe bool, err error) {
	s.calls.Add(1)
	whole, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		attempt, stop := whole, context.CancelFunc(func() {})
		if patience != once {
			attempt, stop = context.WithTimeout(whole, patience)
			patience = min(2*patience, longestPatience)
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
		if is == lost && patience == once || wait(whole, pause) != nil {
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
