package server

import "sync"

// pool is the workers that do the reads of all connections. They take the connections in turn, one read of each, so that who
// asks for much does not keep others waiting.
type pool struct {
	mu          sync.Mutex // guards all below, and the lanes
	ready       sync.Cond
	first, last *lane // lanes with something to do
	waiting     int   // reads in all lanes
	closed      bool
	workers     sync.WaitGroup
}

// lane is the reads of one connection that wait in one pool. While the client does not take its answers they go on waiting.
type lane struct {
	c *conn
	p *pool

	next        *lane
	queued      bool
	first, last *read
	waiting     int
}

func newPool(workers int) *pool {
	p := &pool{}
	p.ready.L = &p.mu
	for range workers {
		p.workers.Go(p.work)
	}
	return p
}

// push queues a read unless most are waiting.
func (l *lane) push(r *read, most int) bool {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	if l.waiting >= most {
		return false
	}
	if l.last == nil {
		l.first = r
	} else {
		l.last.next = r
	}
	l.last = r
	l.waiting++
	l.p.waiting++
	l.queueLocked()
	return true
}

// queueLocked puts the lane at the end of those with something to do, if it has, and may.
func (l *lane) queueLocked() {
	if l.queued || l.first == nil || l.c.out.Full() {
		return
	}
	l.queued = true
	if l.p.last == nil {
		l.p.first = l
	} else {
		l.p.last.next = l
	}
	l.p.last = l
	l.p.ready.Signal()
}

// resume is told that the client took its answers.
func (l *lane) resume() {
	l.p.mu.Lock()
	l.queueLocked()
	l.p.mu.Unlock()
}

func (l *lane) popLocked() *read {
	r := l.first
	if l.first, r.next = r.next, nil; l.first == nil {
		l.last = nil
	}
	l.waiting--
	l.p.waiting--
	return r
}

// drop throws away what waits: nobody is there to be answered.
func (l *lane) drop() {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	for l.first != nil {
		l.c.done(l.popLocked())
	}
}

func (p *pool) work() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for p.first == nil && !p.closed {
			p.ready.Wait()
		}
		if p.first == nil {
			return
		}
		l := p.first
		if p.first, l.next = l.next, nil; p.first == nil {
			p.last = nil
		}
		l.queued = false
		if l.first == nil {
			continue // dropped meanwhile
		}
		r := l.popLocked()
		l.queueLocked()
		p.mu.Unlock()
		l.c.serve(r)
		p.mu.Lock()
	}
}

func (p *pool) queue() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting
}

// Close joins the workers after what is ready was done. Idempotent.
func (p *pool) Close() {
	p.mu.Lock()
	p.closed = true
	p.ready.Broadcast()
	p.mu.Unlock()
	p.workers.Wait()
}
