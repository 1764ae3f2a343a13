package main

// Topics: deduplication, order, ownership.
var topicMutants = []mutant{
	{
		name: "dedup snapshot too new", breaks: "a snapshot counts what is on its way to the ledger as stored", by: "topic-sim", says: "seed \\d+: ",
		edits: []edit{{"broker/topic/dedup.go", "Value: e.persisted})", "Value: e.pushed})"}},
	},
	{
		name: "dedup not replayed", breaks: "entries behind the snapshot are not looked at when a topic is loaded", by: "topic-sim", says: "seed \\d+: ",
		edits: []edit{{"broker/topic/load.go", "	return t.replayDedup(ctx, now)\n", "	return nil\n"}},
	},
	{
		name: "repeat answered too soon", breaks: "a publish that repeats one on its way is acknowledged before that one is stored", by: "topic-sim", says: "seed \\d+: ",
		edits: []edit{{"broker/topic/dedup.go", "	case s.highest <= e.persisted:\n		return duplicate\n", "	case s.highest <= e.pushed:\n		return duplicate\n"}},
	},
	{
		name: "partial batch dropped", breaks: "a batch that is stored in part is answered as a duplicate, and its new messages are lost", by: "topic-sim", says: "seed \\d+: ",
		edits: []edit{{"broker/topic/dedup.go", "		return covered\n", "		return duplicate\n"}},
	},
	{
		name: "receipts out of order", breaks: "a duplicate is answered before what its producer sent ahead of it", by: "topic-sim", says: "seed \\d+: ",
		edits: []edit{{"broker/topic/publish.go", "	if prod.later.head == nil && prod.ripe(p) {", "	if !p.wait {"}},
	},
	{
		name: "published behind a failure", breaks: "after a publish that failed the producer's next ones are stored all the same", by: "topic-sim", says: "seed \\d+: ",
		edits: []edit{{"broker/topic/publish.go", "	t.halted = true\n	for _, prod := range t.producers {\n		t.detachLocked(prod)\n	}\n", ""}},
	},
	{
		name: "session loss ignored", breaks: "a broker whose session ended keeps its topics", by: "topic-sim", says: "seed \\d+: ",
		edits: []edit{{"broker/topic/topics.go", "	if r.closed {\n		return\n	}\n	for _, l := range r.lives {", "	if !r.closed {\n		return\n	}\n	for _, l := range r.lives {"}},
	},
}
