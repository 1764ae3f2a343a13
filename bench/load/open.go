package load

import (
	"context"
	"time"

	"github.com/strobemq/strobe/bench/machine"
)

// Open publishes one entry each interval for d, whatever the answers do, and returns one Answer for each entry after the first
// quarter. A latency begins when its entry was to be sent: a server that stalls is charged for all that should have been sent
// meanwhile. What is late is sent at once, together.
func (p *Producer) Open(ctx context.Context, interval, d time.Duration) ([]Answer, error) {
	_, answers, err := p.open(ctx, interval, d)
	return settled(answers, d), err
}

// OpenTo is Open with a consumer at the other end that has everything so far. It returns when c has these entries too, and one Answer more
// for each: until the entry was there.
func (p *Producer) OpenTo(ctx context.Context, c *Consumer, interval, d time.Duration) (acked, arrived []Answer, err error) {
	var notes []time.Time
	c.notes(&notes)
	before := c.Delivered().Messages
	start, acked, err := p.open(ctx, interval, d)
	if err == nil {
		wait, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		_, err = c.Wait(wait, before+uint64(len(acked)*p.shape.Messages))
	}
	c.notes(nil)
	if err != nil {
		return nil, nil, err
	}
	for i, a := range acked {
		arrived = append(arrived, Answer{At: a.At, Took: notes[i].Sub(start) - a.At})
	}
	return settled(acked, d), settled(arrived, d), nil
}

// settled leaves out the first quarter.
func settled(answers []Answer, d time.Duration) []Answer {
	for i, a := range answers {
		if a.At >= d/4 {
			return answers[i:]
		}
	}
	return nil
}

// open returns an Answer for every entry; At is after start.
func (p *Producer) open(ctx context.Context, interval, d time.Duration) (time.Time, []Answer, error) {
	frame := p.p.entry()
	answers := make([]Answer, 0, int(d/interval)+group)
	pacer := machine.NewPacer()
	defer pacer.Close()
	start := time.Now().Add(time.Millisecond)
	p.begin(start, &answers)
	var buf []byte
	at := make([]time.Duration, 0, group)
	for k := 0; ctx.Err() == nil; {
		pacer.Until(start.Add(time.Duration(k) * interval))
		now := time.Since(start)
		if now >= d {
			break
		}
		buf, at = buf[:0], at[:0]
		for ; len(at) < group && time.Duration(k)*interval <= now; k++ {
			buf = append(buf, frame...)
			at = append(at, time.Duration(k)*interval)
		}
		first, err := p.announce(at...)
		if err != nil {
			return start, nil, err
		}
		for i := range at {
			p.p.number(buf[i*len(frame):(i+1)*len(frame)], first+uint64(i))
		}
		if _, err := p.nc.Write(buf); err != nil {
			return start, nil, err
		}
	}
	if err := p.Drain(ctx); err != nil {
		return start, nil, err
	}
	return start, answers, ctx.Err()
}
