// Package pipeline is the floor probe F3: producer, broker, bookie with group commit, consumer, over loopback TCP, in as few lines
// as that takes. What it does is what no durable broker can leave out: framing, a checksum of each entry, one sync for all
// entries that wait, acknowledgements in order, a copy for the consumer. What it leaves out is what makes a product: metadata,
// an index, recovery, flow control, positions, a protocol.
//
// The bookie lies behind a TCP connection of its own, as in a cluster, or with Direct in the broker's process, which is the floor
// of one process that does everything.
package pipeline

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Options say how a pipeline is built.
type Options struct {
	File   string // of the journal; overwritten, and removed once it is open
	Direct bool   // entries go to the journal by a call, not over TCP
}

// Pipeline is a running one.
type Pipeline struct {
	Addr string

	journal  *journal
	bookie   *bookie // nil: direct
	broker   *broker
	listener net.Listener
	serving  sync.WaitGroup
}

// Start starts a pipeline on a free port of 127.0.0.1.
func Start(o Options) (*Pipeline, error) {
	j, err := openJournal(o.File)
	if err != nil {
		return nil, err
	}
	p := &Pipeline{journal: j, broker: newBroker()}
	if o.Direct {
		p.broker.store = func(entries []stored) { j.append(entries, p.broker) }
		p.broker.stored = func() {}
	} else {
		if p.bookie, err = startBookie(j, p.broker); err != nil {
			j.close()
			return nil, err
		}
		p.broker.store, p.broker.stored = p.bookie.client.store, p.bookie.client.flush
	}
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		p.Close()
		return nil, err
	}
	p.Addr = p.listener.Addr().String()
	p.serving.Go(func() { serve(p.listener, p.broker.serve) })
	return p, nil
}

// serve hands every connection to do and returns when the listener is closed and all have ended.
func serve(l net.Listener, do func(net.Conn)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		all.Go(func() {
			defer context.AfterFunc(ctx, func() { nc.Close() })()
			do(nc)
			nc.Close()
		})
	}
}

// Close ends everything. Idempotent.
func (p *Pipeline) Close() error {
	var err error
	if p.listener != nil {
		err = p.listener.Close()
		p.serving.Wait()
	}
	if p.bookie != nil {
		err = errors.Join(err, p.bookie.close())
	}
	p.journal.close()
	return err
}
