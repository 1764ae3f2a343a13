package remote

import "sync/atomic"

type counters struct {
	connected   atomic.Int64
	dials       atomic.Int64
	dialsFailed atomic.Int64
	hung        atomic.Int64
	broken      atomic.Int64
	tooMany     atomic.Int64
	noBatch     atomic.Int64
}

// Metrics is the connections to all bookies at one moment. Counters count since the Dialer's start.
type Metrics struct {
	Bookies     int   // that were dialled and not given up
	Connections int   // that stand
	QueueBytes  int64 // adds not answered
	QueueLimit  int64 // of one bookie
	Dials       int64 // counter: attempts to connect
	DialsFailed int64 // counter: of them in vain
	Hung        int64 // counter: connections given up because the bookie sent nothing
	Broken      int64 // counter: connections given up because what the bookie sent was no answer
	TooMany     int64 // counter: adds and reads turned away because too much was on its way
	NoBatch     int64 // counter: batched reads that were read one by one instead
}

// Metrics takes a snapshot.
func (d *Dialer) Metrics() Metrics {
	m := Metrics{
		Connections: int(d.metrics.connected.Load()), QueueLimit: d.o.QueueBytes, Dials: d.metrics.dials.Load(),
		DialsFailed: d.metrics.dialsFailed.Load(), Hung: d.metrics.hung.Load(), Broken: d.metrics.broken.Load(),
		TooMany: d.metrics.tooMany.Load(), NoBatch: d.metrics.noBatch.Load(),
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m.Bookies = len(d.conns)
	for c := range d.conns {
		for _, l := range c.lanes() {
			l.mu.Lock()
			m.QueueBytes += l.bytes
			l.mu.Unlock()
		}
	}
	return m
}
