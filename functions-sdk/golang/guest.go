package strobe

// guest is the function as the host sees it: one request in, one reply out. Its buffers live as long as the instance.
type guest struct {
	req request
	rep reply
	ctx Context
	msg Message
}

// newGuest makes a guest with the host functions config and log.
func newGuest(config func(string) (string, bool), log func(uint32, string)) *guest {
	g := &guest{}
	g.ctx = Context{out: &g.rep, config: config, log: log}
	return g
}

// process handles a request; the reply is valid until the next call. A request that cannot be read panics: host and guest do not
// understand each other, and the host shows the reason.
func (g *guest) process(b []byte) []byte {
	if err := g.req.begin(b); err != nil {
		panic(err)
	}
	g.rep.begin(g.req.records)
	for i := range g.req.records {
		if err := g.req.next(&g.msg); err != nil {
			panic(err)
		}
		g.rep.record(i)
		g.rep.status(verdictOf(handler(&g.ctx, g.msg)))
	}
	return g.rep.end()
}
