package pipeline

import (
	"net"
	"sync"

	"github.com/strobemq/strobe/bench/load"
)

// Bookie is a journal behind a TCP connection.
type Bookie struct {
	Addr string

	journal  *journal
	listener net.Listener
	serving  sync.WaitGroup
}

// StartBookie starts one on a free port of 127.0.0.1. file, of the journal, is overwritten, and removed once it is open.
func StartBookie(file string) (*Bookie, error) {
	j, err := openJournal(file)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		j.close()
		return nil, err
	}
	b := &Bookie{Addr: l.Addr().String(), journal: j, listener: l}
	b.serving.Go(func() { serve(l, b.take) })
	return b, nil
}

// take stores what comes on one connection and answers with the ids of what is durable.
func (b *Bookie) take(nc net.Conn) {
	answers := &bookieAnswers{out: outbox{nc: nc}}
	one := make([]stored, 1)
	read(nc, func(_ byte, id uint64, payload []byte) {
		one[0] = stored{id, payload}
		b.journal.append(one, answers)
	}, func() {})
}

// Close ends the connections and writes what is queued. Idempotent.
func (b *Bookie) Close() error {
	err := b.listener.Close()
	b.serving.Wait()
	b.journal.close()
	return err
}

// bookieAnswers sends the ids of durable entries back.
type bookieAnswers struct{ out outbox }

func (a *bookieAnswers) durable(ids []uint64) {
	var head [load.PipelineHeader]byte
	for _, id := range ids {
		a.out.add(load.AppendPipelineHeader(head[:0], load.PipelineAck, id, 0), nil)
	}
	a.out.flush()
}
