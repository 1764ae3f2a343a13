package host

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// DefaultJudgeTime is how long judging a module may take. A function in Go is compiled in a few seconds, and twenty times that on a machine that is
// busy with something else.
const DefaultJudgeTime = 5 * time.Minute

// judges are the processes that judge modules: one at a time.
type judges struct {
	one chan struct{} // holds a token while there is one

	mu     sync.Mutex
	child  *child
	closed bool
}

// set says which process judges, nil for none; false: there are to be none any more.
func (j *judges) set(c *child) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.child = c
	return !j.closed
}

func (j *judges) isClosed() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.closed
}

// close ends the process that judges, and lets no other begin. Idempotent.
func (j *judges) close() {
	j.mu.Lock()
	j.closed = true
	c := j.child
	j.mu.Unlock()
	if c != nil {
		c.kill()
	}
}

// Judge says whether the module in the file at path can run as a function with so many bytes of memory; its errors are faults. The module is compiled
// in a process of its own that ends with the judgement: the compiler cannot be stopped within a function, and there are functions of a few
// KB that keep it busy for minutes. What it compiled stays in the cache on disk for the first start.
func (l *Launcher) Judge(ctx context.Context, path string, memory int64) error {
	select {
	case l.judges.one <- struct{}{}:
		defer func() { <-l.judges.one }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if l.judges.isClosed() {
		return errClosed
	}
	c, err := l.spawn(ctx)
	if err != nil {
		return err
	}
	defer c.kill()
	defer l.judges.set(nil)
	if !l.judges.set(c) {
		return errClosed
	}
	limited, cancel := context.WithTimeout(ctx, l.o.JudgeTime)
	defer cancel()
	err = c.peer.call(limited, callJudge, judgeCall{path, memory}, nil)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return fault.FunctionCompileTime.New("after %v", l.o.JudgeTime)
	case errors.Is(err, errPeerGone) && l.judges.isClosed():
		return errClosed
	case errors.Is(err, errPeerGone):
		return fault.FunctionDamaged.New("the process that compiled it ended, for lack of memory or by a fault of the compiler")
	}
	return err
}
