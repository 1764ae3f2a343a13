package bookie

import (
	"sync"

	"github.com/strobemq/strobe/storage/bk"
)

// deciding is room for one call of add.
type deciding struct {
	adds    []*bk.BookieAdd
	records []*bk.Record
	refused []*bk.BookieAdd // with the reason in Record.Err
}

var decidings = sync.Pool{New: func() any { return new(deciding) }}

func (d *deciding) free() {
	clear(d.adds)
	clear(d.records)
	clear(d.refused)
	d.adds, d.records, d.refused = d.adds[:0], d.records[:0], d.refused[:0]
	decidings.Put(d)
}

// add decides on d.adds in order and hands the records of those that may be stored to the store; their Done is done, their
// Ctx the add. The others are left in d.refused. What was handed over is not touched again: it may be answered and used for
// something else before add returns.
//
// An entry that is there already is stored again: recovery rewrites entries.
func (b *Bookie) add(d *deciding, done bk.RecordsDone) {
	readOnly := b.store.ReadOnly() != nil
	if readOnly {
		b.sawReadOnly()
	}
	for adds := d.adds; len(adds) > 0; {
		n := 1
		for n < len(adds) && adds[n].Ledger == adds[0].Ledger {
			n++
		}
		b.addRun(d, adds[:n], readOnly, done)
		adds = adds[n:]
	}
}

// addRun is add for adds of one ledger.
func (b *Bookie) addRun(d *deciding, run []*bk.BookieAdd, readOnly bool, done bk.RecordsDone) {
	refusal := bk.OK
	st, err := b.acquire(run[0].Ledger)
	if err != nil {
		refusal = code(err)
	} else {
		defer b.release(st)
		if readOnly && !st.buried {
			refusal = bk.ErrReadOnly
		}
	}
	d.records = d.records[:0]
	for _, op := range run {
		c := refusal
		if c == bk.OK {
			c = st.admit(op)
		}
		if c != bk.OK {
			op.Record.Err = c
			d.refused = append(d.refused, op)
			continue
		}
		if key := st.keyRecord(b, op.MasterKey); key != nil {
			d.records = append(d.records, key)
		}
		op.Record = bk.Record{Kind: bk.RecordEntry, Ledger: op.Ledger, Entry: op.Entry, Head: op.Head, Body: op.Body, Done: done, Ctx: op}
		d.records = append(d.records, &op.Record)
	}
	if len(d.records) > 0 {
		b.store.Append(d.records)
	}
}

// sawReadOnly tells the registration that the store takes no entries.
func (b *Bookie) sawReadOnly() {
	select {
	case b.wasReadOnly <- struct{}{}:
	default:
	}
}
