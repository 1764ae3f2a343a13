package wasm

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/functions-sdk/abi"
	"github.com/strobemq/strobe/internal/fault"
)

// Options configure a Processor.
type Options struct {
	Namespace   string            // tenant/namespace; bare topic names that the guest emits to belong to it
	Output      string            // full name of the function's output topic; may be empty
	Config      map[string]string // what the guest reads with strobe.config
	MemoryBytes int64             // cap of the guest's memory; 0: DefaultMemory
	Deadline    time.Duration     // for each call; 0: DefaultDeadline
	StartTime   time.Duration     // for a guest to initialise itself, if its Deadline is shorter; 0: DefaultStartTime
	Logs        *slog.Logger      // takes the guest's lines; nil: nobody
}

// Defaults of Options.
const (
	DefaultMemory   = 128 << 20
	DefaultDeadline = 10 * time.Second
	// DefaultStartTime is long: language runtimes and package variables are initialised, on a machine that may be busy.
	DefaultStartTime = 10 * time.Second
)

func (o Options) withDefaults() Options {
	if o.MemoryBytes <= 0 {
		o.MemoryBytes = DefaultMemory
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	if o.StartTime <= 0 {
		o.StartTime = DefaultStartTime
	}
	if o.Logs == nil {
		o.Logs = slog.New(slog.DiscardHandler)
	}
	return o
}

// Processor is one function instance. It implements connectors.Processor: one goroutine at a time, outputs valid until the next call of
// Process or Close.
type Processor struct {
	options Options
	program *program
	logs    *guestLog
	guest   *instance // nil after a failure, until the next call
	metrics Metrics

	req    request
	reply  abi.Reply
	result result
	closed bool
}

// Metrics counts what a Processor did; safe to read at any time.
type Metrics struct {
	Calls    atomic.Int64
	Records  atomic.Int64
	Outputs  atomic.Int64
	Failures atomic.Int64 // calls that failed as a whole
	Starts   atomic.Int64 // guests started
	Nanos    atomic.Int64 // spent in calls
}

// New compiles a module (or finds it compiled), checks it as Validate does and starts a guest. The error is a *fault.Error that says what is wrong with the
// module.
func (e *Engine) New(ctx context.Context, module []byte, o Options) (*Processor, error) {
	o = o.withDefaults()
	if err := checkHeader(module); err != nil {
		return nil, err
	}
	if err := checkLimits(module); err != nil {
		return nil, err
	}
	program, err := e.compile(ctx, module)
	if err != nil {
		return nil, err
	}
	p := &Processor{options: o, program: program, logs: &guestLog{log: o.Logs}}
	p.result.init(o.Namespace, o.Output)
	h := &host{config: o.Config, logs: p.logs}
	if err = checkModule(module, program.compiled, o.MemoryBytes); err == nil {
		if err = h.install(ctx, program.runtime); err == nil {
			err = p.start(ctx)
		}
	}
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// Process implements connectors.Processor. An error is a *fault.Error about the guest, or ctx's; an error that is a *connectors.Error
// of class Retry is about this process (no guest could be started) and no record's fault.
func (p *Processor) Process(ctx context.Context, in []connectors.Record) ([]connectors.Output, []connectors.Result, error) {
	if p.guest == nil {
		if err := p.start(ctx); err != nil {
			return nil, nil, connectors.As(connectors.Retry, err)
		}
	}
	p.logs.begin()
	p.req.measure(p.options.Output, in)
	begin := time.Now()
	b, err := p.guest.call(ctx, p.req.size, func(buf []byte) { p.req.write(buf, in) })
	took := time.Since(begin)
	p.metrics.Nanos.Add(int64(took))
	p.metrics.Calls.Add(1)
	if err == nil {
		if err = p.reply.Decode(b, len(in), len(p.req.topics)); err != nil {
			err = fault.FunctionReply.New("%w", err)
		}
	}
	if err != nil {
		p.metrics.Failures.Add(1)
		return nil, nil, p.discard(ctx, err)
	}
	if took > longCall {
		p.guest.forgetStack()
	}
	p.metrics.Records.Add(int64(len(in)))
	outputs, results := p.result.read(&p.reply, p.req.topics)
	p.metrics.Outputs.Add(int64(len(outputs)))
	return outputs, results, nil
}

// Metrics are the Processor's counters.
func (p *Processor) Metrics() *Metrics { return &p.metrics }

// start makes a guest. Its failure is one of the module, or of the machine.
func (p *Processor) start(ctx context.Context) error {
	p.logs.begin()
	guest, err := instantiate(ctx, p.program, &p.options)
	p.metrics.Starts.Add(1)
	if err == nil {
		p.guest = guest
		return nil
	}
	p.logs.flush()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case fault.Has(err, fault.FunctionNoHandler), fault.Has(err, fault.FunctionABI):
		return err
	}
	return fault.FunctionStart.New("%w", guest.explain(err, p.logs.crash()))
}

// discard throws the guest away after err and returns what people should know of it.
func (p *Processor) discard(ctx context.Context, err error) error {
	stopped := ctx.Err() != nil && errors.Is(err, ctx.Err())
	if !stopped {
		err = p.guest.explain(err, p.logs.crash())
	}
	p.reply.Reset()
	p.guest.close()
	p.guest = nil
	p.logs.flush()
	return err
}

// Close frees the guest and its module. Idempotent.
func (p *Processor) Close() error {
	if p.closed {
		return nil
	}
	p.closed = true
	p.reply.Reset()
	if p.guest != nil {
		p.guest.close()
		p.guest = nil
	}
	p.logs.flush()
	p.program.close()
	return nil
}
