package main

// The ledger client: quorum, ensemble, recovery.
var ledgerMutants = []mutant{
	{
		name: "acknowledged before the quorum", breaks: "one replica fewer than the ack quorum is enough", by: "ledger-sim", says: "was acknowledged|ack quorum",
		edits: []edit{{"storage/quorum/window.go", "w.acks[w.at(n)].Len() >= w.q.Ack {", "w.acks[w.at(n)].Len() >= max(1, w.q.Ack-1) {"}},
	},
	{
		name: "confirmed out of turn", breaks: "an entry with its quorum is confirmed although one before it has none", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/quorum/window.go", "	n := 0\n	for n < w.n && w.acks[w.at(n)].Len() >= w.q.Ack {\n		n++\n	}\n",
			"	n := 0\n	for i := range w.n {\n		if w.acks[w.at(i)].Len() >= w.q.Ack {\n			n = i + 1\n		}\n	}\n"}},
	},
	{
		name: "LAC too high", breaks: "an entry tells bookies that the one before it is confirmed, whether or not it is", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/ledger/op.go", "LAC: w.window.LAC(), Length: o.length}", "LAC: o.entry - 1, Length: o.length}"}},
	},
	{
		name: "failed bookie still counts", breaks: "the acknowledgements of a bookie that is being replaced are kept, and new ones taken", by: "ledger-sim", says: "ack quorum|acknowledged",
		edits: []edit{
			{"storage/ledger/member.go", "	w.window.Forget(m.index)\n", "	_ = w.window\n"},
			{"storage/ledger/acks.go", "		counts := current && !m.failed\n", "		counts := current\n"},
		},
	},
	{
		name: "change ahead of its entries", breaks: "a new ensemble begins in the metadata behind entries that the old one has not confirmed", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/ledger/ensemble.go", "	return max(first, w.md.LastSegment().First)\n", "	first += int64(w.window.Pending())\n	return max(first, w.md.LastSegment().First)\n"}},
	},
	{
		name: "striping wrong after a change", breaks: "the metadata names the bookie that comes in at the place beside its own", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/ledger/ensemble.go", "		next[m.index] = m.id\n", "		next[(m.index+1)%len(next)] = m.id\n"}},
	},
	{
		name: "ensemble change one entry early", breaks: "the metadata says that the new ensemble begins one entry before where it does", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/ledger/ensemble.go", "	return max(first, w.md.LastSegment().First)\n", "	return max(first-1, w.md.LastSegment().First)\n"}},
	},
	{
		name: "recovery does not write again", breaks: "a recovery closes the ledger at what it read, which may be on one bookie alone", by: "ledger-sim", says: "ack quorum",
		edits: []edit{{"storage/ledger/recover.go", "		w.setTotal(h.Length - int64(len(payload.B)))\n", "		if w != nil {\n			payload.Release()\n			continue\n		}\n		w.setTotal(h.Length - int64(len(payload.B)))\n"},
			{"storage/ledger/recover.go", "	if last != found {\n", "	last = found\n	if last != found {\n"}},
	},
	{
		name: "recovery asks too few", breaks: "the answers of fewer bookies than can hide an acknowledged entry are enough", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/quorum/coverage.go", "(run &^ heard).Len() < q.Ack })", "(run &^ heard).Len() <= q.Ack })"},
			{"storage/ledger/recover.go", "Flags: bk.FlagFence | bk.FlagHighPriority,", "Flags: bk.FlagHighPriority,"}},
	},
	{
		name: "recovery fences one bookie", breaks: "the first answer to a recovery's fencing reads is believed, and it does not fence as it reads on", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/ledger/lac.go", "		done, err := f.Done()\n", "		done, err := f.Done()\n		done, err = true, nil\n"},
			{"storage/ledger/recover.go", "Flags: bk.FlagFence | bk.FlagHighPriority,", "Flags: 0,"}},
	},
	{
		name: "recovery changes the ensemble early", breaks: "a recovery's new ensemble is in the metadata before the ledger is closed", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/ledger/ensemble.go", "func (w *writer) inMemory() bool { return w.recovering }", "func (w *writer) inMemory() bool { return w.recovering && w == nil }"}},
	},
	{
		name: "absence believed too soon", breaks: "one bookie without the entry proves that it was never acknowledged", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/quorum/coverage.go", "negatives > q.Write-q.Ack }", "negatives > 0 }"}},
	},
	{
		name: "recovery tells how far it came", breaks: "entries written again carry a last-add-confirmed that is true for an ensemble in memory only", by: "ledger-stories", says: "FAIL",
		edits: []edit{{"storage/ledger/op.go", "		h.LAC = w.floor\n", "		_ = w.floor\n"}},
	},
	{
		name: "recovery trusts a broken digest", breaks: "a recovery writes a copy with a wrong digest again, with a right one", by: "ledger-rot", says: `added was`,
		edits: []edit{{"storage/ledger/lac.go", "	h, payload, err := d.Verify(r.Ledger, r.First, stored.B)\n	if err != nil {\n",
			"	h, payload, err := d.Verify(r.Ledger, r.First, stored.B)\n	if errors.Is(err, bk.ErrDigest) && len(stored.B) > d.Overhead() {\n		h, err = bkwire.DecodeHeader(stored.B)\n		payload = stored.B[d.Overhead():]\n	}\n	if err != nil {\n"}},
	},
	{
		name: "damaged entry taken for absent", breaks: "a copy with a wrong digest proves to a recovery that the entry was never acknowledged", by: "ledger-rot", says: "was acknowledged",
		edits: []edit{{"storage/ledger/recover.go", "		case absent(err):\n			if negatives++;", "		case absent(err), errors.Is(err, bk.ErrDigest):\n			if negatives++;"}},
	},
	{
		name: "damaged entry delivered", breaks: "a reader gets what a bookie has, whatever its digest says", by: "ledger-rot", says: `added was`,
		edits: []edit{{"storage/ledger/read.go", "		_, payload, err := d.Verify(r.Ledger, r.First+int64(n), e.Payload.B)\n		if err != nil {\n",
			"		_, payload, err := d.Verify(r.Ledger, r.First+int64(n), e.Payload.B)\n		if errors.Is(err, bk.ErrDigest) && len(e.Payload.B) > d.Overhead() {\n			payload, err = e.Payload.B[d.Overhead():], nil\n		}\n		if err != nil {\n"}},
	},
	{
		name: "unknown taken for absent", breaks: "a bookie that lost a part of its log and says so counts as one that never had the entry", by: "ledger-rot", says: "was acknowledged|no bookie",
		edits: []edit{{"storage/ledger/read.go", "errors.Is(err, bk.ErrNoEntry) || errors.Is(err, bk.ErrNoLedger) }", "errors.Is(err, bk.ErrNoEntry) || errors.Is(err, bk.ErrNoLedger) || errors.Is(err, bk.ErrLimbo) }"}},
	},
	{
		name: "fenced writer closes", breaks: "a writer that was fenced closes the ledger at its own end", by: "ledger-sim", says: "seed",
		edits: []edit{
			{"storage/ledger/close.go", "	var err error\n	if fenced {\n", "	var err error\n	if fenced && w == nil {\n"},
			{"storage/ledger/close.go", "			case md.State == bkwire.Closed:\n				return false, nil // somebody recovered it", "			case true:\n			case md.State == bkwire.Closed:\n				return false, nil // somebody recovered it"},
		},
	},
}
