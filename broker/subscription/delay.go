package subscription

import (
	"container/heap"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// delays is the entries of a shared subscription that are not to be delivered before a time. They are in the window and do not wait
// there yet. It is memory only: after a restart the backlog is read again.
type delays struct {
	queue dueQueue
	timer *time.Timer
	armed int64 // Unix ms the timer runs to; 0: it does not
}

// delayLimit bounds the entries held; beyond it nothing is read ahead of them.
const delayLimit = 1 << 20

// due is one entry and when it is to be delivered, in Unix ms.
type due struct {
	at       int64
	position bk.Position
}

// dueQueue is a heap, the earliest first, of one time in order of position.
type dueQueue []due

func (q dueQueue) Len() int { return len(q) }
func (q dueQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].position.Less(q[j].position)
}
func (q dueQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)   { *q = append(*q, x.(due)) }
func (q *dueQueue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// hold puts an entry off until at.
func (d *shared) hold(p bk.Position, sl *slot, at int64) {
	sl.delayed = true
	heap.Push(&d.delays.queue, due{at, p})
}

// ripen makes what is due wait in the window, and has the subscription woken for the next.
func (d *shared) ripen() {
	q := &d.delays.queue
	if len(*q) == 0 {
		return
	}
	now := d.s.o.Now().UnixMilli()
	for len(*q) > 0 && (*q)[0].at <= now {
		p := heap.Pop(q).(due).position
		if sl := d.window.get(p); sl != nil && sl.delayed {
			sl.delayed = false
			d.window.wait(p)
			d.router.waits(sl)
			d.revisit = true
		}
	}
	if len(*q) > 0 {
		d.arm((*q)[0].at, now)
	}
}

// arm runs the timer to at, unless it runs to an earlier time.
func (d *shared) arm(at, now int64) {
	if d.delays.armed != 0 && d.delays.armed <= at {
		return
	}
	d.disarm()
	d.delays.armed = at
	s := d.s
	s.reads.Add(1)
	d.delays.timer = time.AfterFunc(time.Duration(at-now)*time.Millisecond, func() {
		defer s.reads.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.d == dispatcher(d) && d.delays.armed == at {
			d.delays.armed = 0
			s.dispatchLocked(false)
		}
	})
}

func (d *shared) disarm() {
	if d.delays.armed != 0 && d.delays.timer.Stop() {
		d.s.reads.Done()
	}
	d.delays.armed = 0
}
