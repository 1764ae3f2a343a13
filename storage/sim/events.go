package sim

import (
	"time"
)

// play does a fault, and undoes it when its time is over.
func (c *cluster) play(e event) {
	undo, did := c.do(e)
	if !did {
		return
	}
	c.h.note("%v", e)
	c.h.count(string(e.kind), 1)
	if undo != nil {
		c.background.Go(func() {
			_ = sleep(c.life, e.for_)
			undo()
		})
	}
}

// do begins a fault. It reports false when it makes no sense now.
func (c *cluster) do(e event) (undo func(), did bool) {
	switch e.kind {
	case partition:
		return c.block([2]string{e.a, e.b}, [2]string{e.b, e.a}), true
	case oneWay:
		return c.block([2]string{e.a, e.b}), true
	case isolate:
		return c.cutOff(e.a), true
	case metaAway:
		return c.cutOff(metaNode), true
	case delayed:
		l := c.net.link(e.a, e.b)
		l.slow(time.Duration(e.n)*time.Millisecond, c.plan.Jitter)
		return func() { l.slow(c.plan.Delay, c.plan.Jitter) }, true
	case cutBytes:
		for _, end := range c.net.between(e.a, e.b) {
			half := end.in
			if c.net.dice.one(2) {
				half = end.out
			}
			half.cutAfter(e.n)
			did = true
		}
		return nil, did
	case bookieKill:
		b := c.bookie(e.a)
		return b.boot, b.kill()
	case powerLoss:
		b := c.bookie(e.a)
		return b.boot, b.powerOff()
	case powerAll:
		for _, b := range c.bookies {
			did = b.powerOff() || did
		}
		return func() {
			for _, b := range c.bookies {
				b.boot()
			}
		}, did
	case slowDisk:
		b := c.bookie(e.a)
		b.sync.Store(int64(time.Duration(e.n) * time.Millisecond))
		return func() { b.sync.Store(int64(c.plan.Sync)) }, true
	case diskFull:
		b := c.bookie(e.a)
		return func() { b.fill(false) }, b.fill(true)
	case takeOver:
		b := c.broker(e.a)
		b.own()
		return nil, true
	case handOver:
		for _, node := range c.plan.Brokers {
			if b := c.broker(node); node != e.a {
				b.stopTenure()
			}
		}
		c.broker(e.a).own()
		return nil, true
	case brokerKill:
		b := c.broker(e.a)
		if b.over() {
			return nil, false
		}
		b.kill()
		return func() { c.boot(e.a) }, true
	case brokerPause:
		b := c.broker(e.a)
		b.pause(true)
		open := c.cutOff(e.a)
		return func() {
			b.pause(false)
			open()
		}, true
	case expire:
		return nil, c.meta.expire(e.a) > 0
	case lossy:
		c.meta.loss.Store(int64(e.n))
		return func() { c.meta.loss.Store(int64(c.plan.MetaLoss)) }, true
	}
	return nil, false
}

// block holds back everything on the links, and returns what ends that. A connection that stood still for long may not come back.
func (c *cluster) block(links ...[2]string) (open func()) {
	fault := c.nextBlock()
	for _, l := range links {
		c.net.link(l[0], l[1]).block(fault)
	}
	began := time.Now()
	return func() {
		for _, l := range links {
			if time.Since(began) > c.plan.Timeout && c.net.dice.one(3) {
				for _, end := range c.net.between(l[0], l[1]) {
					end.in.cutAfter(0)
				}
			}
			c.net.link(l[0], l[1]).unblock(fault)
		}
	}
}

// cutOff holds back everything to and from a node.
func (c *cluster) cutOff(node string) (open func()) {
	var links [][2]string
	for _, other := range c.nodes() {
		if other != node {
			links = append(links, [2]string{node, other}, [2]string{other, node})
		}
	}
	return c.block(links...)
}

// heal ends all faults: those that are still under way undo themselves when life ends.
func (c *cluster) heal() {
	time.Sleep(time.Millisecond)
	c.meta.loss.Store(0)
	for _, b := range c.bookies {
		b.sync.Store(int64(time.Millisecond))
		b.boot()
	}
	for _, node := range c.plan.Brokers {
		if c.broker(node).over() {
			c.boot(node)
		}
	}
}
