package main

import (
	"cmp"
	"fmt"

	"github.com/apache/pulsar-client-go/pulsar"
)

// position is where a message lies, as a receipt or a delivery says.
type position struct {
	ledger, entry int64
	batch         int32
}

// nowhere is before every message; a receipt for a message that was published again has it too.
var nowhere = position{-1, -1, -1}

func positionOf(id pulsar.MessageID) position {
	return position{id.LedgerID(), id.EntryID(), max(id.BatchIdx(), 0)}
}

func (p position) after(q position) bool {
	return cmp.Or(cmp.Compare(p.ledger, q.ledger), cmp.Compare(p.entry, q.entry), cmp.Compare(p.batch, q.batch)) > 0
}

func (p position) String() string { return fmt.Sprintf("%d:%d:%d", p.ledger, p.entry, p.batch) }
