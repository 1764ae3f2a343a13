package instance

import "github.com/strobemq/strobe/connectors"

// outbox holds outputs until they are written. There are two: one is being written while the other fills.
type outbox struct {
	records    []connectors.Record
	items      []*item // of each record
	bytes      int64
	memory     memory // what the records point to, when it had to be copied
	properties []connectors.Property
	alone      bool // a write of several was refused as a whole: they are written one by one, to find the culprit
}

// full tells whether the box takes no more.
func (o *outbox) full(limits *Options) bool {
	return len(o.records) >= limits.WriteRecords || o.bytes >= limits.WriteBytes
}

// add adds an output of it. The record's memory stays the caller's; keep says that it lasts until it is acknowledged, otherwise it is copied.
func (o *outbox) add(it *item, r *connectors.Record, keep bool) {
	o.records = append(o.records, *r)
	o.items = append(o.items, it)
	o.bytes += bytesOf(r)
	if keep {
		return
	}
	own := &o.records[len(o.records)-1]
	own.Key, own.Payload = o.memory.copy(r.Key), o.memory.copy(r.Payload)
	if len(r.Properties) > 0 {
		start := len(o.properties)
		o.properties = append(o.properties, r.Properties...)
		own.Properties = o.properties[start:len(o.properties):len(o.properties)]
	}
}

func (o *outbox) reset() {
	clear(o.records)
	clear(o.items)
	clear(o.properties)
	o.records, o.items, o.properties = o.records[:0], o.items[:0], o.properties[:0]
	o.bytes, o.alone = 0, false
	o.memory.reset()
}

// keep moves record i to place at, which is not behind it.
func (o *outbox) keep(i, at int) {
	o.records[at], o.items[at] = o.records[i], o.items[i]
}

// cut removes the records from kept up to n.
func (o *outbox) cut(kept, n int) {
	left := kept + copy(o.records[kept:], o.records[n:])
	copy(o.items[kept:], o.items[n:])
	clear(o.records[left:])
	clear(o.items[left:])
	o.records, o.items = o.records[:left], o.items[:left]
}
