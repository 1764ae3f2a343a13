// Package pipeline is the floor probe F3: producer, broker, bookie with group commit, consumer, over loopback TCP, in as few lines
// as that takes. What it does is what no durable broker can leave out: framing, a checksum of each entry, one sync for all
// entries that wait, acknowledgements in order, a copy for the consumer. What it leaves out is what makes a product: metadata,
// an index, recovery, flow control, positions, a protocol.
//
// The bookie lies behind a TCP connection of its own, or with Direct it is a call in the broker's process, which is the floor of one process
// that does everything. Three bookies, each a process, of which two must have an entry, and a broker in a process of its own are the floor of a
// cluster.
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

	Bookies   []string // addresses of bookies elsewhere, instead of a journal in this process
	AckQuorum int      // how many of them must have an entry
}

// Pipeline is a running one.
type Pipeline struct {
	Addr string

	journal  *journal // nil: not direct
	bookie   *Bookie  // nil: direct, or elsewhere
	quorum   *quorum  // nil: direct
	broker   *broker
	listener net.Listener
	serving  sync.WaitGroup
}

// Start starts a pipeline on a free port of 127.0.0.1.
func Start(o Options) (*Pipeline, error) {
	p := &Pipeline{broker: newBroker()}
	if err := p.open(o); err != nil {
		p.Close()
		return nil, err
	}
	var err error
	if p.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		p.Close()
		return nil, err
	}
	p.Addr = p.listener.Addr().String()
	p.serving.Go(func() { serve(p.listener, p.broker.serve) })
	return p, nil
}

// open gives the broker its store.
func (p *Pipeline) open(o Options) (err error) {
	if o.Direct {
		if p.journal, err = openJournal(o.File); err != nil {
			return err
		}
		p.broker.store = func(entries []stored) { p.journal.append(entries, p.broker) }
		p.broker.stored = func() {}
		return nil
	}
	if len(o.Bookies) == 0 {
		if p.bookie, err = StartBookie(o.File); err != nil {
			return err
		}
		o.Bookies, o.AckQuorum = []string{p.bookie.Addr}, 1
	}
	if p.quorum, err = dialBookies(o.Bookies, o.AckQuorum, p.broker); err != nil {
		return err
	}
	p.broker.store, p.broker.stored = p.quorum.store, p.quorum.flush
	return nil
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
	if p.quorum != nil {
		p.quorum.close()
	}
	if p.bookie != nil {
		err = errors.Join(err, p.bookie.Close())
	}
	if p.journal != nil {
		p.journal.close()
	}
	return err
}
