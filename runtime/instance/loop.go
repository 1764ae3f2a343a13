package instance

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// Loop is one running instance; it implements functions.Handle.
type Loop struct {
	o          Options
	ordered    bool // no record overtakes another
	exactly    bool // outputs are numbered by their inputs
	beforehand bool // inputs are acknowledged before they are processed

	ctx         context.Context // ends at once: nothing more is done
	cancel      context.CancelFunc
	readCtx     context.Context // ends when the loop drains
	stopReading context.CancelFunc
	ackCtx      context.Context // ends later: what is durable is still acknowledged
	ackStop     context.CancelFunc
	drain       chan struct{} // closed: nothing more is read or processed, the rest is finished
	draining    sync.Once
	done        chan struct{}

	sinkUp                          chan struct{} // closed once the sink was connected
	readerWake, workWake, writeWake chan struct{}
	ackWake                         chan struct{}
	workerDone, writerDone          chan struct{}
	work                            worker
	names                           producerNames
	status                          status
	counts                          counters
	events                          eventLimit
	stages                          sync.WaitGroup

	mu        sync.Mutex // guards what follows
	ready     []*batch   // read and not yet all taken by the worker
	delayed   delayed    // in back-off
	box       *outbox    // waits to be written
	spare     *outbox    // the other one, while it is not being written
	acks      []*batch   // have something to acknowledge
	free      []*batch
	inRecords int                // read and not yet acknowledged
	inBytes   int64              // of them
	broken    error              // why the source has to be connected again
	stopRead  context.CancelFunc // of the present connection

	finished, givenUp []*item // the writer's
}

// counters count from the start of the instance.
type counters struct {
	received, processed, written, retried, parked, userErrors, systemErrors    atomic.Int64
	reads, calls, callRecords, callNanos, writes, writeNanos, acks, reconnects atomic.Int64
	lastInvoked                                                                atomic.Int64 // ns since 1970
}

// Start checks the options and begins the loop; it connects in the background. The loop ends by Stop, or by an error that it cannot get over, which
// is then in the status.
func Start(o Options) (*Loop, error) {
	if o.Source == nil || o.Sink == nil {
		return nil, errors.New("instance: a source and a sink are needed")
	}
	o = o.withDefaults()
	l := &Loop{
		o:          o,
		exactly:    o.Spec.Guarantee == string(connectors.EffectivelyOnce),
		beforehand: o.Spec.Guarantee == string(connectors.AtMostOnce),
		drain:      make(chan struct{}),
		done:       make(chan struct{}),
		sinkUp:     make(chan struct{}),
		readerWake: make(chan struct{}, 1),
		workWake:   make(chan struct{}, 1),
		writeWake:  make(chan struct{}, 1),
		ackWake:    make(chan struct{}, 1),
		workerDone: make(chan struct{}),
		writerDone: make(chan struct{}),
		box:        &outbox{},
		spare:      &outbox{},
	}
	l.ordered = o.Spec.Ordered || l.exactly || o.Spec.Kind == functions.KindSource
	l.work.limit = o.CallRecords
	l.names.function = o.Spec.FQName.String()
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.readCtx, l.stopReading = context.WithCancel(l.ctx)
	l.ackCtx, l.ackStop = context.WithCancel(context.Background())
	l.status.init(o)
	l.stages.Go(l.read)
	l.stages.Go(func() { l.process(); close(l.workerDone); wake(l.writeWake) })
	l.stages.Go(func() { l.write(); close(l.writerDone); wake(l.ackWake) })
	l.stages.Go(l.acknowledge)
	go l.end()
	return l, nil
}

// Done is closed when the loop has ended and everything is closed.
func (l *Loop) Done() <-chan struct{} { return l.done }

// Stop ends the loop: nothing more is read, what is in the processor and behind it is written and acknowledged. Records that were only read
// are left for the next time. When ctx is done before that, the rest is abandoned, unacknowledged. Returns when everything is closed.
func (l *Loop) Stop(ctx context.Context) error {
	l.beginDrain()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
	}
	l.cancel()
	l.ackStop()
	<-l.done
	return nil
}

func (l *Loop) beginDrain() {
	l.draining.Do(func() {
		close(l.drain)
		l.stopReading()
	})
}

func (l *Loop) isDraining() bool {
	select {
	case <-l.drain:
		return true
	case <-l.ctx.Done():
		return true
	default:
		return false
	}
}

// fail ends the loop because of err. What is in flight is finished if it can be, within the drain time.
func (l *Loop) fail(err error) {
	if !l.status.failed(err) {
		return
	}
	l.o.Log.Error("the instance stops", "error", err)
	l.o.Events.Error("stopped: " + err.Error())
	l.beginDrain()
	stop := time.AfterFunc(l.o.DrainTime, func() { l.cancel(); l.ackStop() })
	context.AfterFunc(l.ackCtx, func() { stop.Stop() })
}

// failNow is fail for an error after which nothing can be written.
func (l *Loop) failNow(err error) {
	l.fail(err)
	l.cancel()
}

// end waits for the stages and closes what the loop owns.
func (l *Loop) end() {
	l.stages.Wait()
	l.cancel()
	l.ackStop()
	for name, c := range map[string]interface{ Close() error }{"source": l.o.Source, "sink": l.o.Sink} {
		if err := c.Close(); err != nil {
			l.o.Log.Warn("close", "what", name, "error", err)
		}
	}
	if l.o.Processor != nil {
		if err := l.o.Processor.Close(); err != nil {
			l.o.Log.Warn("close", "what", "processor", "error", err)
		}
	}
	l.status.stopped()
	close(l.done)
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// code is the error's code when it has one.
func code(err error) string {
	if f, ok := fault.Of(err); ok {
		return f.Code
	}
	return ""
}
