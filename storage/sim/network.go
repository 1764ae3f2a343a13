package sim

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"
)

// network joins nodes by links, one in each direction between any two. Bytes of one connection stay in order; everything else
// overtakes freely.
type network struct {
	dice *dice

	mu        sync.Mutex
	links     map[[2]string]*link
	listeners map[string]*listener // by address
	conns     map[*conn]bool       // one end of each connection
	off       map[string]bool      // nodes without power
	delay     time.Duration        // of links that nobody changed
	jitter    time.Duration
	window    int  // bytes that fit between two ends of a connection
	split     bool // what is read comes in pieces of any size
	made      int
}

// link is the way from one node to another.
type link struct {
	mu     sync.Mutex
	delay  time.Duration
	jitter time.Duration
	blocks map[int]bool  // faults that hold everything back
	opened chan struct{} // closed when the last of them goes; nil while there is none
	halves map[*half]bool
}

func newNetwork(d *dice) *network {
	return &network{dice: d, links: map[[2]string]*link{}, listeners: map[string]*listener{}, conns: map[*conn]bool{}, off: map[string]bool{}}
}

// link is the way from one node to another.
func (n *network) link(from, to string) *link {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := [2]string{from, to}
	l := n.links[k]
	if l == nil {
		l = &link{delay: n.delay, jitter: n.jitter, blocks: map[int]bool{}, halves: map[*half]bool{}}
		n.links[k] = l
	}
	return l
}

// transit is how long something takes that is sent now.
func (l *link) transit(d *dice) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay + d.upTo(l.jitter)
}

func (l *link) slow(delay, jitter time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.jitter = delay, jitter
}

// block holds back whatever is on the link or comes, until unblock with the same fault.
func (l *link) block(fault int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.blocks) == 0 {
		l.opened = make(chan struct{})
	}
	l.blocks[fault] = true
}

func (l *link) unblock(fault int) {
	l.mu.Lock()
	was := l.blocks[fault]
	delete(l.blocks, fault)
	if !was || len(l.blocks) > 0 {
		l.mu.Unlock()
		return
	}
	close(l.opened)
	l.opened = nil
	halves := slices.Collect(maps.Keys(l.halves))
	l.mu.Unlock()
	for _, h := range halves { // whose locks are taken before ours
		h.wake()
	}
}

// blocked is nil, or closed when the link is open again.
func (l *link) blocked() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.opened
}

// address is that of a bookie on a node.
type address string

func (a address) Network() string { return "sim" }
func (a address) String() string  { return string(a) }

// listener takes connections for one process.
type listener struct {
	n    *network
	node string
	addr address
	came chan net.Conn
	once sync.Once
	done chan struct{}
}

// backlog is how many connections may wait to be accepted.
const backlog = 64

func (n *network) listen(node string, port int) *listener {
	l := &listener{n: n, node: node, addr: address(fmt.Sprintf("%s:%d", node, port)), came: make(chan net.Conn, backlog), done: make(chan struct{})}
	n.mu.Lock()
	n.listeners[string(l.addr)] = l
	n.mu.Unlock()
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.came:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *listener) Addr() net.Addr { return l.addr }

func (l *listener) Close() error {
	l.once.Do(func() {
		l.n.mu.Lock()
		if l.n.listeners[string(l.addr)] == l {
			delete(l.n.listeners, string(l.addr))
		}
		l.n.mu.Unlock()
		close(l.done)
		for {
			select {
			case c := <-l.came:
				c.Close()
			default:
				return
			}
		}
	})
	return nil
}

// dial connects a process to an address. What the network holds back it waits for, as long as ctx.
func (n *network) dial(ctx context.Context, p *process, addr string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	there, back := n.link(p.node, host), n.link(host, p.node)
	for _, l := range []*link{there, back} {
		if err := l.cross(ctx, n.dice); err != nil {
			return nil, fmt.Errorf("dial %s: %w", addr, err)
		}
	}
	n.mu.Lock()
	l, off := n.listeners[addr], n.off[host]
	var mine *conn
	if l != nil && !off && !p.over() && len(l.came) < backlog {
		// Under the same lock as the end of a process: a connection is not made to one that has gone.
		var theirs *conn
		mine, theirs = n.pairLocked(p.node, host, there, back)
		l.came <- theirs
	}
	n.mu.Unlock()
	switch {
	case mine != nil:
		return mine, nil
	case off:
		<-ctx.Done() // nobody answers
		return nil, fmt.Errorf("dial %s: %w", addr, ctx.Err())
	}
	return nil, fmt.Errorf("dial %s: %w", addr, syscall.ECONNREFUSED)
}

// cross waits as long as something sent now takes to arrive, at most as long as ctx.
func (l *link) cross(ctx context.Context, d *dice) error {
	t := time.NewTimer(l.transit(d))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		wait := l.blocked()
		if wait == nil {
			return nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// pairLocked makes a connection between two nodes and returns both ends.
func (n *network) pairLocked(from, to string, there, back *link) (mine, theirs *conn) {
	n.made++
	name := fmt.Sprintf("%s-%s#%d", from, to, n.made)
	d := newDice(uint64(n.dice.n(1<<30)), name)
	out, in := newHalf(there, d, n.window, n.split), newHalf(back, d, n.window, n.split)
	mine = &conn{n: n, in: in, out: out, here: from, there: to}
	theirs = &conn{n: n, in: out, out: in, here: to, there: from}
	mine.peer, theirs.peer = theirs, mine
	n.conns[mine] = true
	return mine, theirs
}

// between are the ends, on node a, of the connections between a and b; any other node for an empty b.
func (n *network) between(a, b string) (ends []*conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for c := range n.conns {
		if c.here != a {
			c = c.peer
		}
		if c.here == a && (b == "" || c.there == b) {
			ends = append(ends, c)
		}
	}
	return ends
}

// exit ends a node's connections as the end of its process does: what was sent arrives, and then the end. The process is over.
func (n *network) exit(node string) {
	n.unlisten(node)
	for _, c := range n.between(node, "") {
		c.Close()
	}
}

func (n *network) unlisten(node string) {
	n.mu.Lock()
	maps.DeleteFunc(n.listeners, func(_ string, l *listener) bool { return l.node == node })
	n.mu.Unlock()
}

// powerOff makes a node silent: what it sent and nobody has is gone, and nobody learns of it before the node is there again.
func (n *network) powerOff(node string) {
	n.mu.Lock()
	n.off[node] = true
	n.mu.Unlock()
	n.unlisten(node)
	for _, c := range n.between(node, "") {
		c.vanish()
	}
}

// powerOn lets those learn who had connections to the node: their next segment is answered with a reset.
func (n *network) powerOn(node string) {
	n.mu.Lock()
	delete(n.off, node)
	n.mu.Unlock()
	for _, c := range n.between(node, "") {
		if c.in.isSilent() {
			c.kill(syscall.ECONNRESET)
		}
	}
}

func (n *network) forget(c *conn) {
	n.mu.Lock()
	delete(n.conns, c)
	delete(n.conns, c.peer)
	n.mu.Unlock()
}
