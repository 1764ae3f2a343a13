package main

// The bookie in front of its log, and the metadata store of one process.
var bookieMutants = []mutant{
	{
		name: "fence answered early", breaks: "a recoverer is told that a bookie is fenced before the fence is durable", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/bookie/fence.go", "	st.fence = &fence{done: make(chan struct{})}\n", "	st.fence = &fence{done: make(chan struct{})}\n	defer func() { st.fence = durableFence }()\n"},
			{"storage/bookie/fence.go", "	case <-f.done:\n		if f.err != bk.OK {", "	default:\n		if f.failed() {"}},
	},
	{
		name: "fence ignored", breaks: "a fenced bookie goes on taking the old writer's adds", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/bookie/state.go", "	case st.fence != nil:\n		return bk.ErrFenced\n", ""}},
	},
	{
		name: "master key not checked", breaks: "whoever knows a ledger's number can write to it", by: "ledger-rot", says: "took an entry from somebody without the key",
		edits: []edit{{"storage/bookie/state.go", "	case st.hasKey && st.key != op.MasterKey:\n		return bk.ErrUnauthorized\n", ""}},
	},
	{
		name: "add answered early", breaks: "a bookie answers an add when it has handed it to the log, not when it is synced", by: "ledger-sim", says: "was acknowledged|ack quorum",
		edits: []edit{
			{"storage/bookie/add.go", "		b.store.Append(d.records)\n", "		hasty(b.store, d.records)\n"},
			{"storage/bookie/add.go", "// sawReadOnly tells", hastyStore + "// sawReadOnly tells"},
		},
	},
}

var metadataMutants = []mutant{
	{
		name: "metadata answered early", breaks: "the store of one process answers before its sync", by: "metadata-power", says: "acknowledged|handed out",
		edits: []edit{{"storage/meta/local/change.go", "	err := s.db.ApplyNoSyncWait(batch, pebble.Sync)\n	if err == nil {\n		err = batch.SyncWait()\n	}\n", "	err := s.db.Apply(batch, pebble.NoSync)\n"}},
	},
	{
		name: "lost answer taken for failure", breaks: "a change of a ledger's metadata whose answer got lost counts as not made", by: "ledger-sim", says: "seed",
		edits: []edit{{"storage/ledger/metadata.go", "		if md, version, err = c.load(ctx, id); err != nil {\n			return nil, 0, err\n		}\n		if bytes.Equal(md.Append(nil), data) {\n			return md, version, nil\n		}\n",
			"		if errors.Is(err, meta.ErrUnknown) {\n			return nil, 0, metaError(err)\n		}\n		if md, version, err = c.load(ctx, id); err != nil {\n			return nil, 0, err\n		}\n		if bytes.Equal(md.Append(nil), data) {\n			return md, version, nil\n		}\n"}},
	},
}

// hastyStore hands copies of entries to the store and answers for the originals at once.
const hastyStore = `
type nobody struct{}

func (nobody) RecordsDone([]*bk.Record) {}

func hasty(s Store, records []*bk.Record) {
	for _, r := range records {
		if r.Kind != bk.RecordEntry {
			s.Append([]*bk.Record{r})
			continue
		}
		c := &bk.Record{Kind: r.Kind, Ledger: r.Ledger, Entry: r.Entry, Done: nobody{}}
		c.Head, c.Body = append([]byte{}, r.Head...), bk.Bytes(append([]byte{}, r.Body.B...))
		s.Append([]*bk.Record{c})
		r.Err = bk.OK
		go r.Done.RecordsDone([]*bk.Record{r})
	}
}

`
