package main

// Managed ledgers and cursors.
var managedMutants = []mutant{
	{
		name: "cursor persisted too far", breaks: "the position that is stored is one entry ahead of what is acknowledged", by: "managed-model", says: "never acknowledged|is lost|backlog|acknowledged: true",
		edits: []edit{{"storage/managed/cursor_store.go", "	p := position{markDelete: c.markDelete, properties: c.longs}\n", "	p := position{markDelete: c.markDelete, properties: c.longs}\n	if k := c.l.chain.find(p.markDelete.Ledger); k != nil && p.markDelete.Entry+1 < k.entries {\n		p.markDelete.Entry++\n	}\n"}},
	},
	{
		name: "failed position write counts", breaks: "a position whose entry in the cursor's ledger failed counts as stored", by: "managed-model", says: "was flushed and is lost",
		edits: []edit{{"storage/managed/cursor_writer.go", "	case err := <-w.result:\n		w.broken = err\n", "	case <-w.result:\n"}},
	},
	{
		name: "batch index lost", breaks: "which messages of a batch are acknowledged is not stored", by: "managed-model", says: "of the batch at",
		edits: []edit{{"storage/managed/cursor_store.go", "		if c.markDelete.Less(at) && len(p.batches) < c.l.cfg.MaxBatchSets {", "		if false && c.markDelete.Less(at) {"}},
	},
	{
		name: "single acknowledgements lost", breaks: "what is acknowledged behind the mark-delete is not stored", by: "managed-model", says: "was flushed and is lost|acknowledged: false",
		edits: []edit{{"storage/managed/cursor_store.go", "		p.ranges = append(p.ranges, r)\n", ""}},
	},
	{
		name: "consumed too early", breaks: "a ledger is deleted when a cursor has reached it, not when it has passed it", by: "managed-model", says: "is lost",
		edits: []edit{{"storage/managed/trim.go", "		if k.timestamp == 0 || k.start+k.entries > floor {", "		if k.timestamp == 0 || k.start >= floor {"}},
	},
	{
		name: "fenced writer sends all again", breaks: "what the recoverer found to be durable is written into the next ledger once more", by: "managed-model", says: "twice|is at|acknowledged elsewhere",
		edits: []edit{{"storage/managed/recover.go", "op.Add.Entry != bk.NoEntry && op.Add.Entry <= last;", "op.Add.Entry != bk.NoEntry && op.Add.Entry < 0;"}},
	},
	{
		name: "next ledger before the last one's end", breaks: "what came back from a broken ledger is sent again before it is known where that one ends", by: "managed-model", says: "twice|is at|lost",
		edits: []edit{{"storage/managed/writer.go", "			w.failed.push(op)\n			continue\n", "			if w.closed {\n				w.failed.push(op)\n			} else {\n				l.waiting.push(op)\n			}\n			continue\n"}},
	},
	{
		name: "loaded without fencing", breaks: "a new owner opens the ledgers of the old one without recovering them", by: "managed-model", says: "is there twice|is lost|append|open|was acknowledged|is at",
		edits: []edit{{"storage/managed/open.go", "			r, err := l.m.ledgers.Open(ctx, k.ledger, true)\n			if errors.Is(err, bk.ErrNoLedger) {\n				continue", "			r, err := l.m.ledgers.Open(ctx, k.ledger, false)\n			if errors.Is(err, bk.ErrNoLedger) {\n				continue"}},
	},
	{
		name: "lost answer taken for refusal", breaks: "a write of the list of ledgers whose answer got lost counts as another owner's", by: "managed-model", says: "reset:|append:|open:|trim:|flush:|close:",
		edits: []edit{{"storage/managed/cas.go", "		if errors.Is(err, meta.ErrConflict) && (tried || len(s.unsure) > 0) {\n", "		if errors.Is(err, meta.ErrConflict) && false {\n"}},
	},
}
