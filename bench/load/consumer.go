package load

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"
)

// delivery is how entries look on one consuming connection.
type delivery interface {
	// delivered returns how many bytes of b it used, and how many messages and bytes of payload were in them: one frame at a time.
	delivered(b []byte, nc net.Conn) (n, messages, payload int, err error)
}

// Delivered counts what a Consumer got.
type Delivered struct {
	Entries, Messages, Bytes uint64 // Bytes: of the entries as they arrived, without the commands
	Last                     time.Time
}

// Consumer counts what is delivered on one connection. A goroutine of its own reads.
type Consumer struct {
	nc    net.Conn
	begun time.Time

	mu      sync.Mutex
	changed sync.Cond
	got     Delivered
	note    *[]time.Time // when each entry came; nil: nobody wants to know
	err     error

	done chan struct{}
}

func newConsumer(nc net.Conn, p delivery, start []byte, begun time.Time) *Consumer {
	c := &Consumer{nc: nc, begun: begun, done: make(chan struct{})}
	c.changed.L = &c.mu
	go c.read(p, start)
	return c
}

func (c *Consumer) read(p delivery, start []byte) {
	defer close(c.done)
	err := frames(c.nc, start, func(b []byte) (int, error) {
		now := time.Now()
		used := 0
		var more Delivered
		for used < len(b) {
			n, messages, payload, err := p.delivered(b[used:], c.nc)
			if err != nil {
				return 0, err
			}
			if n == 0 {
				break
			}
			used += n
			if messages > 0 {
				more.Entries++
				more.Messages += uint64(messages)
				more.Bytes += uint64(payload)
			}
		}
		if more.Entries > 0 {
			c.mu.Lock()
			c.got.Entries += more.Entries
			c.got.Messages += more.Messages
			c.got.Bytes += more.Bytes
			c.got.Last = time.Now()
			for k := uint64(0); c.note != nil && k < more.Entries; k++ {
				*c.note = append(*c.note, now)
			}
			c.changed.Broadcast()
			c.mu.Unlock()
		}
		return used, nil
	})
	c.mu.Lock()
	c.err = firstError(err, errEnded)
	c.changed.Broadcast()
	c.mu.Unlock()
}

// notes has the arrival of each entry from now on noted in list, or no longer with nil.
func (c *Consumer) notes(list *[]time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.note = list
}

// Begun is when the server was first permitted to deliver.
func (c *Consumer) Begun() time.Time { return c.begun }

// Delivered is what came so far.
func (c *Consumer) Delivered() Delivered {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.got
}

// Wait returns when at least so many messages have come, and says when the last of them did.
func (c *Consumer) Wait(ctx context.Context, messages uint64) (Delivered, error) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.changed.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.got.Messages < messages {
		if c.err != nil {
			return c.got, c.err
		}
		if err := ctx.Err(); err != nil {
			return c.got, fmt.Errorf("%d of %d messages were delivered: %w", c.got.Messages, messages, err)
		}
		c.changed.Wait()
	}
	return c.got, nil
}

// Close ends the connection and joins its reader. Idempotent.
func (c *Consumer) Close() error {
	err := c.nc.Close()
	<-c.done
	return err
}
