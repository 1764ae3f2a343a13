package main

// The Postgres source.
var postgresMutants = []mutant{
	{
		name: "checkpoint before the ack", breaks: "the position moves over rows that were handed out and are not in the topic yet", by: "postgres-kit", says: "one_topic_takes_nothing",
		edits: []edit{{"connectors/postgres/tracker.go", "	case t.tail != nil:\n		t.tail.mark = p\n	case p.lsn > t.pos.lsn:", "	case p.lsn > t.pos.lsn:"}},
	},
	{
		name: "confirmed before saved", breaks: "Postgres may drop WAL before the position is durable with us", by: "postgres-kit", says: "killed_at_every_step|committed row",
		edits: []edit{{"connectors/postgres/keeper.go", "			if err := k.commit(ctx, pos); err != nil {\n				return err\n			}\n			confirm, wait", "			if err := k.report(received, pos.lsn, false); err != nil {\n				return err\n			}\n			if err := k.commit(ctx, pos); err != nil {\n				return err\n			}\n			confirm, wait"}},
	},
	{
		name: "acknowledged over a gap", breaks: "a later batch that is done moves the position past an earlier one that is not", by: "postgres-kit", says: "one_topic_takes_nothing",
		edits: []edit{{"connectors/postgres/tracker.go", "	for t.head != nil && t.head.left == 0 {\n		b := t.head\n", "	for t.tail != nil && t.tail.left == 0 && t.head != nil {\n		b := t.head\n"}},
	},
}
