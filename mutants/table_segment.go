package main

// The log of a bookie.
var segmentMutants = []mutant{
	{
		name: "sync skipped", breaks: "the log answers before anything is on the disk", by: "segment-tail", says: "was acknowledged|lost|ledger \\d+:",
		edits: []edit{{"storage/segment/writer.go",
			"	if err := w.seg.file.Sync(); err != nil {\n		return w.log.fail(\"sync\", w.seg.segment, w.pos, err)\n	}\n",
			""}},
	},
	{
		name: "answered before the sync", breaks: "the log syncs every group, and answers before it does", by: "segment-tail", says: "was acknowledged|lost|ledger \\d+:",
		edits: []edit{
			{"storage/segment/writer.go", "	if err == nil {\n		err = w.sync()\n	}\n",
				"	if err == nil {\n		w.log.complete(&commit{seg: c.seg, records: append(c.records[:0:0], c.records...), offs: c.offs, end: next.pos})\n		err = w.sync()\n	}\n"},
			{"storage/segment/completer.go", "		l.complete(c)\n", "		l.queue.done(c.bytes)\n"},
		},
	},
	{
		name: "failed sync retried", breaks: "after a sync that failed the next one counts, although the kernel dropped the pages", by: "segment-sync", says: "acknowledged|STB-SEGMENT-0006|ledger \\d+",
		edits: []edit{{"storage/segment/writer.go",
			"	if err := w.seg.file.Sync(); err != nil {\n		return w.log.fail(",
			"	err := w.seg.file.Sync()\n	if err != nil {\n		err = w.seg.file.Sync()\n	}\n	if err != nil {\n		return w.log.fail("}},
	},
	{
		name: "segment name not durable", breaks: "a segment is written to before the directory that names it is synced", by: "segment-power", says: "was acknowledged|STB-SEGMENT-0006",
		edits: []edit{{"storage/segment/registry.go", "	if err := l.fs.SyncDir(l.dir); err != nil {\n		s.file.Close()", "	if err := error(nil); err != nil {\n		s.file.Close()"}},
	},
	{
		name: "zeros over what is stored", breaks: "the goroutine that writes zeros ahead goes on in a segment that the writer has begun", by: "segment-power", says: "was acknowledged|ledger|STB-SEGMENT",
		edits: []edit{
			{"storage/segment/ahead.go", "	zeros        []byte // one step\n", "	zeros        []byte // one step\n	seg          *segment\n"},
			{"storage/segment/ahead.go", "	if s == nil || l.refusing() {\n", "	if a.seg != nil && a.seg.disk < l.o.SegmentBytes {\n		s = a.seg\n	}\n	a.seg = s\n	if s == nil || l.refusing() {\n"},
		},
	},
	{
		name: "reserve given to entries", breaks: "an entry goes by an earlier look at the disk and takes what fences and deletes live on", by: "segment-full", says: "took of the reserve",
		edits: []edit{{"storage/segment/space.go", " && (l.ballast.Load() || l.o.ReserveBytes == 0) {", " {"}},
	},
	{
		name: "death forgotten", breaks: "on a full disk the next segment is given up although its header is all that tells of a dead one", by: "segment-full", says: "STB-SEGMENT-0006",
		edits: []edit{{"storage/segment/space.go", " || s.recycled > 0 || s.generation", " || s.generation"}},
	},
	{
		name: "table flush skipped", breaks: "a segment counts as sealed before the ledger table that covers its fences and keys is durable, and is recycled", by: "segment-power", says: "ledger",
		edits: []edit{{"storage/segment/seal.go", "	if err := l.table.flush(); err != nil {\n		return err\n	}\n	l.reg.seal(a)\n", "	l.reg.seal(a)\n"}},
	},
	{
		name: "segment recycled early", breaks: "a segment is freed although a little in it is alive", by: "segment-power", says: "was acknowledged|STB-SEGMENT-0006",
		edits: []edit{{"storage/segment/free.go", "		if s.live > 0 {", "		if s.live > s.total/20 {"}},
	},
	{
		name: "survivor dropped", breaks: "the last entry of a batch that is rescued from a dying segment is not copied", by: "segment-power", says: "was acknowledged|last entry",
		edits: []edit{{"storage/segment/survivors.go",
			"	for i, e := range c.entries {\n		records[i]",
			"	if n := len(list) - 1; n > 0 {\n		records, list = records[:n], list[:n]\n	}\n	for i, e := range c.entries[:len(list)] {\n		records[i]"}},
	},
	{
		name: "deleted ledger comes back", breaks: "a copy that was on its way when its ledger was deleted counts", by: "segment-power", says: "came back after its delete|is listed",
		edits: []edit{
			{"storage/segment/completer.go", "		if l.survivor(r) && c.offs[i] != 0 && l.deletedBefore(r.Ledger, c.seg) {", "		if false && l.survivor(r) && l.deletedBefore(r.Ledger, c.seg) {"},
			{"storage/segment/evidence.go", "	if h.flags&recordSurvivor != 0 && !sc.alive(h.ledger) {", "	if false && !sc.alive(h.ledger) {"},
		},
	},
	{
		name: "torn tail taken for damage", breaks: "what a power cut left half written counts as corruption of what was durable", by: "segment-tail", says: "STB-SEGMENT",
		edits: []edit{{"storage/segment/evidence.go", "			if g.synced > at {", "			if g.synced >= 0 {"}},
	},
	{
		name: "damage taken for a torn tail", breaks: "what lies behind a damaged byte is thrown away in silence", by: "segment-rot", says: "said not to be there|says nothing of damage|fence is lost",
		edits: []edit{{"storage/segment/evidence.go", "			if g.synced > at {", "			if g.synced > at && at < 0 {"}},
	},
	{
		name: "start serves what is not durable", breaks: "what a restart finds in the page cache is served without being written again", by: "segment-sync", says: "acknowledged|STB-SEGMENT-0006|ledger \\d+",
		edits: []edit{{"storage/segment/resume.go", "		if _, err := s.file.WriteAt(b, at); err != nil {\n			return err\n		}\n", ""}},
	},
	{
		name: "failed segment used again", breaks: "a segment whose first sync failed is written to after a restart, and the next restart takes that for torn", by: "segment-sync", says: "acknowledged|STB-SEGMENT-0006",
		edits: []edit{{"storage/segment/resume.go", "	if s.generation != r.failed.generation {\n		return nil\n	}\n	r.failed = mark{}\n	return l.clearFailure()\n", "	return nil\n"}},
	},
	{
		name: "body not verified", breaks: "a record is delivered whatever its checksum says", by: "segment-rot", says: "damaged bytes are delivered|says nothing of damage",
		edits: []edit{{"storage/segment/read.go", "; !ok || s.seed.sum(body) != sum {", "; !ok || sum == 0 && body == nil {"}},
	},
}
