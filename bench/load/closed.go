package load

import (
	"context"
	"time"
)

// write is how many bytes a producer gathers for one write at the most, and group how many entries.
const (
	write = 128 << 10
	group = 32
)

// Flat out: Rate is what one slice of Closed measured.
type Rate struct {
	Entries  uint64 // answered in the measured part
	Took     time.Duration
	Messages float64 // a second
}

// Closed publishes as fast as the answers come, window entries unanswered at the most. Of the time d the first tenth is not
// measured. It returns when everything is answered.
func (p *Producer) Closed(ctx context.Context, window int, d time.Duration) (Rate, error) {
	frame := p.p.entry()
	n := max(1, min(group, write/len(frame)))
	buf := make([]byte, 0, n*len(frame))
	for range n {
		buf = append(buf, frame...)
	}
	start := time.Now()
	p.begin(start, nil)
	at := make([]time.Duration, n)
	var from, to uint64
	var begun time.Duration
	for measured := false; ctx.Err() == nil; {
		if err := p.credit(n, window); err != nil {
			return Rate{}, err
		}
		now := time.Since(start)
		if !measured && now >= d/10 {
			measured, begun = true, now
			_, from = p.Counts()
		}
		if now >= d {
			_, to = p.Counts()
			r := Rate{Entries: to - from, Took: now - begun}
			r.Messages = float64(r.Entries) * float64(p.shape.Messages) / r.Took.Seconds()
			return r, p.Drain(ctx)
		}
		first, err := p.announce(at...)
		if err != nil {
			return Rate{}, err
		}
		for i := range n {
			p.p.number(buf[i*len(frame):(i+1)*len(frame)], first+uint64(i))
		}
		if _, err := p.nc.Write(buf); err != nil {
			return Rate{}, err
		}
	}
	return Rate{}, ctx.Err()
}

// Fill publishes so many entries, window unanswered at the most, and returns when all are answered.
func (p *Producer) Fill(ctx context.Context, window, entries int) error {
	frame := append([]byte(nil), p.p.entry()...)
	for range entries {
		if err := p.credit(1, window); err != nil {
			return err
		}
		first, err := p.announce(0)
		if err != nil {
			return err
		}
		p.p.number(frame, first)
		if _, err := p.nc.Write(frame); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return p.Drain(ctx)
}
