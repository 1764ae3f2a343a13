package postgres

import (
	"slices"
	"strings"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// relation is what the server said a table looks like, and where in it the parts of a message are. It is sent before the first row
// of a table and again when the table has changed.
type relation struct {
	id     uint32
	table  table
	fields int  // columns of a row
	outbox bool // it is the table that becomes messages; the rest is set only then

	event, route, key, payload, time int // column numbers; -1: none (time only, and event of an old form of the table)
	keyBytes, payloadBytes           bool
	timeType                         uint32
	headers                          []headerColumn
}

type headerColumn struct {
	column   int
	property string
}

// Type OIDs of Postgres that are treated differently from text.
const (
	oidBytea           = 17
	oidInt8            = 20
	oidInt2            = 21
	oidInt4            = 23
	oidDate            = 1082
	oidTimestamp       = 1114
	oidTimestamptz     = 1184
	firstUserOID       = 16384 // types from here on are the user's: perhaps domains
	maxRelationColumns = 1600  // Postgres' own limit
)

func isTime(oid uint32) bool {
	switch oid {
	case oidInt2, oidInt4, oidInt8, oidDate, oidTimestamp, oidTimestamptz:
		return true
	}
	return false
}

// readRelation decodes a Relation message. A table that is not the shape's has only its name; base finds the type below a domain.
func (s shape) readRelation(c *cursor, base func(oid uint32) (uint32, error)) (*relation, error) {
	r := &relation{id: c.u32(), table: table{Schema: c.text(), Name: c.text()}}
	c.u8() // replica identity
	r.fields = int(c.u16())
	if c.bad || r.fields > maxRelationColumns {
		return nil, errMalformed('R')
	}
	names, types := make([]string, r.fields), make([]uint32, r.fields)
	for i := range r.fields {
		c.u8() // part of the key
		names[i], types[i] = c.text(), c.u32()
		c.u32() // type modifier
	}
	if c.bad {
		return nil, errMalformed('R')
	}
	if r.table != s.Table {
		return r, nil
	}
	r.outbox = true
	return r, s.place(r, names, types, base)
}

// place finds the columns of r that the shape names. WAL may hold rows of an older form of the table: what makes a message must be
// there, the rest may be missing.
func (s shape) place(r *relation, names []string, types []uint32, base func(uint32) (uint32, error)) error {
	at := func(name string) int { return slices.Index(names, name) }
	r.event, r.route, r.key, r.payload, r.time = at(s.Columns.ID), at(s.Columns.AggregateType), at(s.Columns.AggregateID), at(s.Columns.Payload), -1
	if s.Columns.Timestamp != "" {
		r.time = at(s.Columns.Timestamp)
	}
	for _, need := range []string{s.Columns.AggregateType, s.Columns.AggregateID, s.Columns.Payload} {
		if at(need) < 0 {
			return connectors.As(connectors.BadConfig, fault.PostgresColumn.New("%s has no column %s%s; it has %s", r.table, need,
				fault.DidYouMean(need, names), strings.Join(names, ", ")))
		}
	}
	for _, h := range s.Headers {
		if i := at(h.Column); i >= 0 {
			r.headers = append(r.headers, headerColumn{column: i, property: h.Property})
		}
	}
	typeOf := func(column int) (uint32, error) {
		if column < 0 || types[column] < firstUserOID {
			return types[max(column, 0)], nil
		}
		return base(types[column])
	}
	key, err := typeOf(r.key)
	if err != nil {
		return err
	}
	payload, err := typeOf(r.payload)
	if err != nil {
		return err
	}
	if r.timeType, err = typeOf(r.time); err != nil {
		return err
	}
	r.keyBytes, r.payloadBytes = key == oidBytea, payload == oidBytea
	return nil
}
