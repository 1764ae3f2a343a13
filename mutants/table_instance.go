package main

// The loop under functions and connectors.
var instanceMutants = []mutant{
	{
		name: "acknowledged before the output", breaks: "an input is acknowledged when its outputs are in the outbox, not when they are durable", by: "instance-chaos", says: ".",
		edits: []edit{
			{"runtime/instance/accept.go", "	l.finishLocked(w.finished)\n", "	for i := from; i < len(items); i++ {\n		if items[i].outputs > 0 && !l.exactly {\n			w.finished = append(w.finished, items[i])\n		}\n	}\n	l.finishLocked(w.finished)\n"},
			{"runtime/instance/write.go", "		finished = append(finished, it)\n		if !it.parked {", "		if it.parked || l.exactly {\n			finished = append(finished, it)\n		}\n		if !it.parked {"},
		},
	},
	{
		name: "failed write counts", breaks: "a write that the sink refused is taken for done", by: "instance-chaos", says: "got",
		edits: []edit{{"runtime/instance/write.go", "			l.sinkFailed(err)\n			ok = l.pause(sink, failures, err, true) && l.connect(l.ctx, sink, l.o.Sink.Connect, true)\n", "			_, ok = l.settle(box, n, nil)\n"}},
	},
	{
		name: "half the outputs counted", breaks: "an input is done when the first of its outputs is", by: "instance-chaos", says: ".",
		edits: []edit{{"runtime/instance/write.go", "		if it.outputs--; it.outputs > 0 {\n			continue\n		}\n", "		if it.outputs--; it.outputs < 0 {\n			continue\n		}\n"}},
	},
	{
		name: "read on after a lost ack", breaks: "a source that must be connected again is read on without waiting for what is in flight", by: "instance-chaos", says: ".",
		edits: []edit{{"runtime/instance/read.go", "		if !l.waitEmpty() {\n			return\n		}\n", ""}},
	},
}
