package pipeline

import (
	"net"
	"sync"
)

// outbox gathers frames for one connection. Whoever flushes first writes for all; meanwhile others go on appending.
type outbox struct {
	nc net.Conn

	mu         sync.Mutex
	buf, spare []byte
	busy       bool
}

// add appends a frame in two parts.
func (o *outbox) add(head, payload []byte) {
	o.mu.Lock()
	o.buf = append(append(o.buf, head...), payload...)
	o.mu.Unlock()
}

// flush writes what was added, unless somebody is writing, who then writes that too.
func (o *outbox) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy {
		return
	}
	o.busy = true
	for len(o.buf) > 0 {
		b := o.buf
		o.buf = o.spare[:0]
		o.mu.Unlock()
		_, _ = o.nc.Write(b) // the reader of this connection notices its end
		o.mu.Lock()
		o.spare = b[:0]
	}
	o.busy = false
}
