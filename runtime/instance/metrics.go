package instance

import (
	"maps"
	"sync"
	"time"
)

// Metrics are what an instance shows beside its status. All but the first five only rise.
type Metrics struct {
	InFlight      int64 // records read and not yet acknowledged
	InFlightBytes int64
	Queued        int64 // batches that wait for the processor
	BackingOff    int64 // records that wait for their next attempt
	Outbox        int64 // outputs that wait to be written

	Reads      int64 // batches read
	Calls      int64 // into the processor
	CallTime   time.Duration
	Writes     int64 // into the sink
	WriteTime  time.Duration
	Acks       int64 // calls of Ack
	Reconnects int64
}

// Metrics reads the instance's metrics.
func (l *Loop) Metrics() Metrics {
	c := &l.counts
	m := Metrics{
		Reads: c.reads.Load(), Calls: c.calls.Load(), CallTime: time.Duration(c.callNanos.Load()),
		Writes: c.writes.Load(), WriteTime: time.Duration(c.writeNanos.Load()), Acks: c.acks.Load(), Reconnects: c.reconnects.Load(),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m.InFlight, m.InFlightBytes = int64(l.inRecords), l.inBytes
	m.Queued, m.BackingOff, m.Outbox = int64(len(l.ready)), int64(len(l.delayed)), int64(len(l.box.records))
	return m
}

// maxNames is how many counters and gauges a connector may have; more are dropped.
const maxNames = 200

// Meter keeps a connector's own counters and gauges; it implements connectors.Metrics. The zero value is ready; safe for concurrent use.
type Meter struct {
	mu       sync.Mutex
	counters map[string]int64
	gauges   map[string]float64
}

// Count implements connectors.Metrics.
func (m *Meter) Count(name string, delta int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counters == nil {
		m.counters = map[string]int64{}
	}
	if _, known := m.counters[name]; known || len(m.counters) < maxNames {
		m.counters[name] += delta
	}
}

// Gauge implements connectors.Metrics.
func (m *Meter) Gauge(name string, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.gauges == nil {
		m.gauges = map[string]float64{}
	}
	if _, known := m.gauges[name]; known || len(m.gauges) < maxNames {
		m.gauges[name] = value
	}
}

func (m *Meter) read() (map[string]int64, map[string]float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.counters), maps.Clone(m.gauges)
}
