package abi

import "encoding/binary"

var le = binary.LittleEndian

// Record is the fixed part of one record of a request, and its key.
type Record struct {
	Topic       uint32 // index in the topic table
	Key         []byte
	HasKey      bool
	Null        bool
	Ledger      int64
	Entry       int64
	Batch       int32
	Partition   int32
	EventTime   int64
	PublishTime int64
	Redelivery  uint32
}

// TopicSize is what a topic of that name takes in the topic table.
func TopicSize(name string) int { return 4 + len(name) }

// Size is what a record takes without its properties.
func Size(key, payload []byte) int { return RecordFixed + len(key) + len(payload) }

// PropertySize is what one property takes.
func PropertySize(key, value string) int { return PropertyFixed + len(key) + len(value) }

// Request writes a request into a buffer that has room for all of it: its size is RequestHeader plus TopicSize, Size and PropertySize of all
// its parts. Writing goes in the order of the bytes: Begin, Topic for each topic, then for each record Record, its Properties and Payload.
// The zero value is ready.
type Request struct {
	buf     []byte
	record  int // where the current record starts
	records uint32
}

// Begin starts a request in buf[:0]; buf is the caller's.
func (r *Request) Begin(buf []byte, topics, records int) {
	r.buf = le.AppendUint32(buf[:0], uint32(topics))
	r.buf = le.AppendUint32(r.buf, uint32(records))
	r.records = 0
}

// Topic adds a name to the topic table. The first one is the function's output.
func (r *Request) Topic(name string) {
	r.buf = le.AppendUint32(r.buf, uint32(len(name)))
	r.buf = append(r.buf, name...)
}

// Record starts the next record, which will have that many properties.
func (r *Request) Record(rec *Record, properties int) {
	r.record = len(r.buf)
	var f [RecordFixed]byte
	le.PutUint32(f[RecordIndex:], r.records)
	le.PutUint32(f[RecordTopic:], rec.Topic)
	flags := uint32(0)
	if rec.HasKey {
		flags |= FlagKey
		le.PutUint32(f[RecordKeySize:], uint32(len(rec.Key)))
	}
	if rec.Null {
		flags |= FlagNull
	}
	le.PutUint32(f[RecordFlags:], flags)
	le.PutUint64(f[RecordLedger:], uint64(rec.Ledger))
	le.PutUint64(f[RecordEntry:], uint64(rec.Entry))
	le.PutUint32(f[RecordBatch:], uint32(rec.Batch))
	le.PutUint32(f[RecordPartition:], uint32(rec.Partition))
	le.PutUint64(f[RecordEventTime:], uint64(rec.EventTime))
	le.PutUint64(f[RecordPublishTime:], uint64(rec.PublishTime))
	le.PutUint32(f[RecordRedelivery:], rec.Redelivery)
	le.PutUint32(f[RecordProperties:], uint32(properties))
	r.buf = append(r.buf, f[:]...)
	if rec.HasKey {
		r.buf = append(r.buf, rec.Key...)
	}
	r.records++
}

// Property adds one property to the current record.
func (r *Request) Property(key, value string) {
	r.buf = le.AppendUint32(r.buf, uint32(len(key)))
	r.buf = le.AppendUint32(r.buf, uint32(len(value)))
	r.buf = append(r.buf, key...)
	r.buf = append(r.buf, value...)
}

// Payload ends the current record with its value.
func (r *Request) Payload(payload []byte) {
	r.buf = append(r.buf, payload...)
	f := r.buf[r.record:]
	le.PutUint32(f[RecordPayloadSize:], uint32(len(payload)))
	le.PutUint32(f[RecordSize:], uint32(len(f)-4))
}

// Bytes is what was written so far.
func (r *Request) Bytes() []byte { return r.buf }
