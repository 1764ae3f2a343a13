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
			return nil, err
		}
		for i := range at {
			p.p.number(buf[i*len(frame):(i+1)*len(frame)], first+uint64(i))
		}
		if _, err := p.nc.Write(buf); err != nil {
			return nil, err
		}
	}
	if err := p.Drain(ctx); err != nil {
		return nil, err
	}
	for i, a := range answers {
		if a.At >= d/4 {
			return answers[i:], nil
		}
	}
	return nil, ctx.Err()
}
