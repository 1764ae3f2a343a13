package load

import (
	"context"
	"time"
)

// Through publishes as fast as c, at the other end of whatever reads the topic, gets messages: window entries on their way at most. The
// rate is that of c. Of the time d the first fifth is not measured. It returns when everything has come.
func (p *Producer) Through(ctx context.Context, c *Consumer, window int, d time.Duration) (Rate, error) {
	frame := append([]byte(nil), p.p.entry()...)
	sent, _ := p.Counts()
	per := uint64(p.shape.Messages)
	offset := c.Delivered().Messages - sent*per // what came before this producer
	start := time.Now()
	var begun time.Duration
	var from uint64
	for ctx.Err() == nil {
		now := time.Since(start)
		if begun == 0 && now >= d/5 {
			begun, from = now, c.Delivered().Messages
		}
		if begun > 0 && now >= d {
			got := c.Delivered().Messages - from
			r := Rate{Entries: got / per, Took: now - begun, Messages: float64(got) / (now - begun).Seconds()}
			if err := p.Drain(ctx); err != nil {
				return r, err
			}
			_, err := c.Wait(ctx, sent*per+offset)
			return r, err
		}
		if sent >= uint64(window) {
			if _, err := c.Wait(ctx, (sent+1-uint64(window))*per+offset); err != nil {
				return Rate{}, err
			}
		}
		first, err := p.announce(0)
		if err != nil {
			return Rate{}, err
		}
		sent++
		p.p.number(frame, first)
		if _, err := p.nc.Write(frame); err != nil {
			return Rate{}, err
		}
	}
	return Rate{}, ctx.Err()
}
