package load

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// ring is how many entries may be unanswered.
const ring = 1 << 16

// patience is how long all answers may take after the last entry was sent.
const patience = 60 * time.Second

// Producer publishes entries on one connection. One goroutine sends; a goroutine of its own reads the answers.
type Producer struct {
	nc    net.Conn
	p     protocol
	shape Shape
	base  uint64 // the first sequence id

	mu       sync.Mutex
	changed  sync.Cond
	sent     uint64 // entries
	acked    uint64
	err      error
	intended [ring]int64 // when each unanswered entry was to be sent, in nanoseconds after start
	record   *[]Answer   // where answers are noted; nil: nowhere
	start    time.Time   // of the clock of intended

	done chan struct{}
}

// Answer is one acknowledgement.
type Answer struct {
	At   time.Duration // when the entry was to be sent, after the start of the slice
	Took time.Duration // from then to the acknowledgement
}

func newProducer(nc net.Conn, p protocol, shape Shape, base uint64, start []byte) *Producer {
	out := &Producer{nc: nc, p: p, shape: shape, base: base, start: time.Now(), done: make(chan struct{})}
	out.changed.L = &out.mu
	go out.read(start)
	return out
}

func (p *Producer) read(start []byte) {
	defer close(p.done)
	ack := func(uint64) {}
	var now int64
	var failed error
	ack = func(sequence uint64) { // under mu
		if sequence != p.base+p.acked {
			failed = fmt.Errorf("entry %d was answered, %d was to come", sequence-p.base, p.acked)
			return
		}
		if p.record != nil {
			at := p.intended[p.acked%ring]
			*p.record = append(*p.record, Answer{time.Duration(at), time.Duration(now - at)})
		}
		p.acked++
	}
	err := frames(p.nc, start, func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		now = int64(time.Since(p.start))
		used := 0
		for used < len(b) {
			n, err := p.p.acked(b[used:], p.nc, ack)
			if err != nil || failed != nil {
				return 0, firstError(err, failed)
			}
			if n == 0 {
				break
			}
			used += n
		}
		p.changed.Broadcast()
		return used, nil
	})
	p.mu.Lock()
	p.err = firstError(err, errEnded)
	p.changed.Broadcast()
	p.mu.Unlock()
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// begin starts the clock of a slice and notes its answers in record.
func (p *Producer) begin(at time.Time, record *[]Answer) {
	p.mu.Lock()
	p.start, p.record = at, record
	p.mu.Unlock()
}

// credit waits until at least n more entries may be sent within window.
func (p *Producer) credit(n, window int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && p.sent-p.acked+uint64(n) > uint64(window) {
		p.changed.Wait()
	}
	return p.err
}

// announce counts an entry as sent; at is when it was to be.
func (p *Producer) announce(at ...time.Duration) (first uint64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sent-p.acked+uint64(len(at)) > ring {
		return 0, fmt.Errorf("%d entries are unanswered: the server does not keep up", p.sent-p.acked)
	}
	first = p.base + p.sent
	for _, d := range at {
		p.intended[p.sent%ring] = int64(d)
		p.sent++
	}
	return first, p.err
}

// Counts are the entries sent and answered.
func (p *Producer) Counts() (sent, acked uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent, p.acked
}

// Drain waits until everything sent is answered.
func (p *Producer) Drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.acked < p.sent && p.err == nil {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%d entries were not answered: %w", p.sent-p.acked, err)
		}
		p.changed.Wait()
	}
	p.record = nil
	return p.err
}

// Close ends the connection and joins its reader. Idempotent.
func (p *Producer) Close() error {
	err := p.nc.Close()
	<-p.done
	return err
}
