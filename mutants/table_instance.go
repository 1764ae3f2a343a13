package main

// The loop under functions and connectors.
var instanceMutants = []mutant{
	{
		name: "acknowledged before the output", breaks: "an input is acknowledged when its outputs are about to be written, not when they are durable", by: "instance-chaos", says: "has not arrived",
		edits: []edit{{"runtime/instance/write.go", "		err := l.o.Sink.Write(l.ctx, box.records[:n])\n", `		var err error
		if n > 0 {
			records := ownCopy(box.records[:n])
			if _, ok := l.settle(box, n, nil); !ok {
				return false
			}
			for l.o.Sink.Write(l.ctx, records) != nil {
				if !l.pause(sink, 1, errors.New("again"), true) || !l.connect(l.ctx, sink, l.o.Sink.Connect, true) {
					return false
				}
			}
			continue
		}
`}},
	},
	{
		name: "failed write counts", breaks: "a write that the sink refused is taken for done", by: "instance-chaos", says: "got",
		edits: []edit{{"runtime/instance/write.go", "			l.sinkFailed(err)\n			ok = l.pause(sink, failures, err, true) && l.connect(l.ctx, sink, l.o.Sink.Connect, true)\n", "			_, ok = l.settle(box, n, nil)\n"}},
	},
	{
		name: "half the outputs counted", breaks: "an input is done when the first of its outputs is", by: "instance-chaos", says: "has not arrived",
		edits: []edit{{"runtime/instance/write.go", "		if it.outputs--; it.outputs > 0 {\n			continue\n		}\n", "		first := it.outputs > 0\n		if it.outputs = 0; !first {\n			continue\n		}\n"}},
	},
	{
		name: "read on after a lost ack", breaks: "a source that must be connected again is read on without waiting for what is in flight", by: "instance-chaos", says: "acknowledged twice",
		edits: []edit{{"runtime/instance/read.go", "		if !l.waitEmpty() {\n			return\n		}\n", ""}},
	},
}
