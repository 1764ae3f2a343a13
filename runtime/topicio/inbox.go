package topicio

import (
	"context"
	"sync"
	"time"

	"github.com/strobemq/strobe/broker/wire"
)

// arrival is one entry as it came.
type arrival struct {
	from    *consumer
	turn    *turn // nil: nobody asks
	id      wire.MessageID
	resent  uint32
	ackSet  []int64
	payload []byte // broker entry metadata and entry; owned by whoever gets the arrival
}

// inbox gathers the arrivals of all consumers of a source. It is bounded in bytes, and not by permits alone: those count messages, and nobody knows
// beforehand how large they are. What would go beyond the limit is dropped as it comes, and its consumer asks for it again when there is room; so that this
// is rare, the windows of the consumers follow the size of the messages.
type inbox struct {
	limit int64 // bytes; one entry may go beyond

	mu        sync.Mutex
	queue     []arrival
	bytes     int64 // of entries that arrived and were not yet made records
	consumers int64
	size      int64       // about the bytes of the largest messages of late; 0: not known
	dropping  []*consumer // those that dropped something, the first first
	owed      []*consumer // those that passed over something, and did not take it off their window yet
	err       error
	wake      chan struct{} // one token: something changed
}

// guessedSize is what a message is taken for before one was seen.
const guessedSize = 16 << 10

func newInbox(limit int64) *inbox { return &inbox{limit: limit, wake: make(chan struct{}, 1)} }

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// resumeWait is how long one consumer that was resumed may keep the next one waiting when nothing comes.
const resumeWait = 100 * time.Millisecond

// take waits until something is there and returns all of it; spare is memory for the next arrivals. What it returns counts against the limit until it is
// given to done.
func (b *inbox) take(ctx context.Context, spare []arrival) ([]arrival, error) {
	for {
		if err := b.resume(); err != nil {
			return nil, err
		}
		b.mu.Lock()
		if len(b.queue) > 0 {
			out := b.queue
			b.queue = spare[:0]
			b.mu.Unlock()
			return out, nil
		}
		err, more := b.err, len(b.dropping) > 0
		b.mu.Unlock()
		if err != nil {
			return nil, err
		}
		if err := b.wait(ctx, more); err != nil {
			return nil, err
		}
	}
}

// wait waits for a change; briefly if consumers wait to be resumed.
func (b *inbox) wait(ctx context.Context, more bool) error {
	var next <-chan time.Time
	if more {
		t := time.NewTimer(resumeWait)
		defer t.Stop()
		next = t.C
	}
	select {
	case <-b.wake:
	case <-next:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// done takes an entry of so many bytes and messages off the limit.
func (b *inbox) done(bytes int, messages int32) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes -= int64(bytes)
	b.size = max(int64(bytes)/int64(max(messages, 1)), b.size-b.size/64)
}

// windowLocked is how many messages a consumer may be sent ahead.
func (b *inbox) windowLocked() int32 {
	size := b.size
	if size == 0 {
		size = guessedSize
	}
	return int32(min(max(b.limit/2/max(b.consumers, 1)/size, 1), window))
}

// resume has consumers that dropped something ask for it again, as far as there is room.
func (b *inbox) resume() error {
	b.mu.Lock()
	owed := b.owed
	b.owed = nil
	b.mu.Unlock()
	for _, r := range owed {
		if err := r.settle(); err != nil {
			return err
		}
	}
	for expected := int64(0); ; {
		b.mu.Lock()
		if len(b.dropping) == 0 || b.bytes+expected >= b.limit/2 {
			b.mu.Unlock()
			return nil
		}
		r := b.dropping[0]
		b.dropping = b.dropping[1:]
		expected += int64(b.windowLocked()) * max(b.size, guessedSize)
		b.mu.Unlock()
		if err := r.resume(); err != nil {
			return err
		}
	}
}

// empty reports that nothing has arrived that was not made records, and nothing was dropped.
func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue) == 0 && b.bytes == 0 && len(b.dropping) == 0
}
