package sim

import "context"

// process is one life of a node's program. Once it is over nothing that it begins has an effect; what it sent before may still arrive.
type process struct {
	node string
	ctx  context.Context
	end  context.CancelFunc
}

func newProcess(node string) *process {
	p := &process{node: node}
	p.ctx, p.end = context.WithCancel(context.Background())
	return p
}

func (p *process) over() bool { return p.ctx.Err() != nil }
