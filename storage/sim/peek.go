package sim

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/remote"
)

// peekNode is where somebody reads ledgers that belong to others, without recovering them: up to what the bookies know to be
// acknowledged.
const peekNode = "reader"

// peek reads ledgers until the time of faults is over.
func (c *cluster) peek() *sync.WaitGroup {
	var done sync.WaitGroup
	p, d := newProcess(peekNode), newDice(c.seed, peekNode)
	done.Go(func() {
		defer c.net.exit(peekNode)
		defer p.end()
		link := c.meta.connect(p, d)
		dialer := remote.NewDialer(remote.Options{
			Timeout: c.plan.Timeout, DialTime: 100 * time.Millisecond, MaxPause: 200 * time.Millisecond,
			Dial: func(ctx context.Context, addr string) (net.Conn, error) { return c.net.dial(ctx, p, addr) },
		})
		var reg *ledger.Registry
		for reg == nil && sleep(c.life, startPause) == nil {
			reg, _ = ledger.NewRegistry(c.life, link, dialer.Dial)
		}
		if reg == nil {
			return
		}
		client := ledger.New(link, reg, ledger.Options{ReadTimeout: c.plan.Timeout})
		for sleep(c.life, d.upTo(60*time.Millisecond)) == nil {
			if id, ok := c.record.anyLedger(d); ok {
				c.readLedger(client, id, d)
			}
		}
		client.Close()
		reg.Close()
	})
	return &done
}

func (c *cluster) readLedger(client *ledger.Client, id int64, d *dice) {
	ctx, cancel := context.WithTimeout(c.life, 2*c.plan.Timeout)
	defer cancel()
	l, err := client.Open(ctx, id, false)
	if err != nil {
		return
	}
	defer func() { _ = l.Close(ctx) }()
	for range 3 {
		last, _ := l.LastConfirmed()
		first := int64(d.n(int(last) + 1))
		got, err := l.Read(ctx, first, last, 1+d.n(20_000))
		if err == nil {
			list := make([]managed.Entry, len(got))
			for i, e := range got {
				list[i] = managed.Entry{Position: bk.Position{Ledger: id, Entry: e.Entry}, Payload: e.Payload}
			}
			c.record.read(peekNode, bk.Earliest, list[:1])
			c.record.read(peekNode, bk.Earliest, list)
			release(list)
		}
	}
}
