package postgres

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pglogrepl"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// cursor reads the fields of a message one after the other. Reading beyond the end makes it bad and yields zeros; callers ask once.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.bad, c.b = true, nil
		return nil
	}
	v := c.b[:n]
	c.b = c.b[n:]
	return v
}

func (c *cursor) u8() byte {
	if v := c.take(1); v != nil {
		return v[0]
	}
	return 0
}

func (c *cursor) u16() uint16 {
	if v := c.take(2); v != nil {
		return binary.BigEndian.Uint16(v)
	}
	return 0
}

func (c *cursor) u32() uint32 {
	if v := c.take(4); v != nil {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

func (c *cursor) u64() uint64 {
	if v := c.take(8); v != nil {
		return binary.BigEndian.Uint64(v)
	}
	return 0
}

// text reads up to a zero byte.
func (c *cursor) text() string {
	i := bytes.IndexByte(c.b, 0)
	v := c.take(i + 1)
	if i < 0 || v == nil {
		c.bad, c.b = true, nil
		return ""
	}
	return string(v[:i])
}

func errMalformed(kind byte) error {
	return connectors.As(connectors.Retry, fault.PostgresStream.New("a message of type %q is malformed", kind))
}

// counts are rows that are seen and not sent.
type counts struct {
	updates, deletes, truncates, others int64
}

// decoder turns the messages of pgoutput into rows of a batch, in place: a message's bytes are copied once, into the batch.
type decoder struct {
	shape   shape
	route   route
	tracker *tracker
	outbox  uint32 // OID of the outbox table when the source connected; 0: not known
	base    func(oid uint32) (uint32, error)

	batch     *batch // where rows go
	row       uint64 // number of the last row
	open      bool   // between Begin and Commit
	committed int64  // commit time of the open transaction, ms since 1970
	passed    pglogrepl.LSN
	relations map[uint32]*relation
	fields    []field
	topics    map[string]string // full names by routing value
	ignored   counts
}

// maxTopics bounds the cache of names: routing values come from data.
const maxTopics = 4096

func newDecoder(s shape, r route, t *tracker, base func(uint32) (uint32, error)) *decoder {
	return &decoder{shape: s, route: r, tracker: t, base: base, row: t.pos.row, passed: t.pos.lsn,
		relations: map[uint32]*relation{}, topics: map[string]string{}}
}

// postgresEpoch is 2000-01-01 in ms since 1970; Postgres counts microseconds since then.
const postgresEpoch = 946684800000

// copyData takes the body of one CopyData message; cut bytes of it are missing at its end.
func (d *decoder) copyData(body []byte, cut int) error {
	c := cursor{b: body}
	switch kind := c.u8(); kind {
	case 'k':
		end := pglogrepl.LSN(c.u64())
		c.u64() // the server's clock
		reply := c.u8()
		if c.bad {
			return errMalformed(kind)
		}
		d.keepAlive(end, reply != 0)
		return nil
	case 'w':
		c.take(8 + 8 + 8) // where it was in the WAL, the end of the WAL, the server's clock
		if c.bad {
			return errMalformed(kind)
		}
		return d.change(&c, cut)
	default:
		return connectors.As(connectors.Retry, fault.PostgresStream.New("unknown message %q", kind))
	}
}

// keepAlive moves the position on an idle source: the server has sent everything up to end. Inside a transaction that says nothing.
func (d *decoder) keepAlive(end pglogrepl.LSN, reply bool) {
	if !d.open {
		d.pass(end)
	}
	if reply {
		d.tracker.reply()
	}
}

// pass notes a place in the WAL with nothing half-read before it.
func (d *decoder) pass(lsn pglogrepl.LSN) {
	if lsn <= d.passed {
		return
	}
	d.passed = lsn
	p := position{lsn: lsn, row: d.row}
	if d.batch != nil && len(d.batch.records) > 0 {
		d.batch.mark = p
		return
	}
	d.tracker.pass(p)
}

// change takes one message of pgoutput.
func (d *decoder) change(c *cursor, cut int) error {
	kind := c.u8()
	switch kind {
	case 'B':
		c.u64() // where the commit is
		d.committed = int64(c.u64())/1000 + postgresEpoch
		d.open = true
	case 'C':
		c.u8()
		c.u64()
		end := pglogrepl.LSN(c.u64())
		if !c.bad {
			d.open = false
			d.pass(end)
		}
	case 'R':
		return d.relation(c)
	case 'I':
		return d.insert(c, cut)
	case 'U':
		d.count(c.u32(), &d.ignored.updates)
	case 'D':
		d.count(c.u32(), &d.ignored.deletes)
	case 'T':
		d.truncate(c)
	case 'O', 'Y': // where a replicated transaction came from; the name of a type
	default:
		return connectors.As(connectors.Retry, fault.PostgresStream.New("unknown change %q", kind))
	}
	if c.bad {
		return errMalformed(kind)
	}
	return nil
}

func (d *decoder) relation(c *cursor) error {
	r, err := d.shape.readRelation(c, d.base)
	if err != nil {
		return err
	}
	if !r.outbox && r.id == d.outbox {
		return connectors.As(connectors.BadConfig, fault.PostgresTable.New("%s was renamed to %s", d.shape.Table, r.table).
			WithFix("table: %s -- or give the table its name back", r.table))
	}
	d.relations[r.id] = r
	return nil
}

// count adds to n what is not sent from the outbox table; rows of other tables in the publication are counted together.
func (d *decoder) count(id uint32, n *int64) {
	if r := d.relations[id]; r != nil && r.outbox {
		*n++
	} else {
		d.ignored.others++
	}
}

func (d *decoder) truncate(c *cursor) {
	n := c.u32()
	c.u8()
	for ; n > 0 && !c.bad; n-- {
		d.count(c.u32(), &d.ignored.truncates)
	}
}

func (d *decoder) insert(c *cursor, cut int) error {
	id, kind := c.u32(), c.u8()
	if c.bad || kind != 'N' {
		return errMalformed('I')
	}
	r := d.relations[id]
	if r == nil {
		return connectors.As(connectors.Retry, fault.PostgresStream.New("a row of table %d, which was not described", id))
	}
	if !r.outbox {
		d.ignored.others++
		return nil
	}
	if err := d.readFields(c, r, cut > 0); err != nil {
		return err
	}
	d.row++
	d.message(r, cut)
	return nil
}

// field is one column of a row, in place.
type field struct {
	kind  byte // 't' text, 'n' NULL, 'u' unchanged and not sent, 0 not there because the row was cut
	value []byte
}

// readFields splits a row into its columns. A row that was cut may end anywhere; the columns behind are not there.
func (d *decoder) readFields(c *cursor, r *relation, wasCut bool) error {
	if n := int(c.u16()); c.bad || n != r.fields {
		return errMalformed('I')
	}
	d.fields = d.fields[:0]
	for range r.fields {
		f := field{kind: c.u8()}
		switch f.kind {
		case 'n', 'u':
		case 't', 'b':
			f.value = c.take(int(c.u32()))
		default:
			if !c.bad {
				return errMalformed('I')
			}
		}
		if c.bad {
			if !wasCut {
				return errMalformed('I')
			}
			f = field{}
		}
		d.fields = append(d.fields, f)
	}
	return nil
}

// columnReason is why a row cannot be a message, when a column is to blame.
func columnReason(name, format string, args ...any) string {
	return fault.PostgresRow.New("column %s %s", name, fmt.Sprintf(format, args...)).Error()
}
