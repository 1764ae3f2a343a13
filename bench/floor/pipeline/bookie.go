package pipeline

import (
	"net"
	"sync"

	"github.com/strobemq/strobe/bench/load"
)

// bookie is the journal behind a TCP connection, and the broker's end of it.
type bookie struct {
	listener net.Listener
	serving  sync.WaitGroup
	client   *bookieClient
}

// bookieClient is the broker's end.
type bookieClient struct {
	out     outbox
	reading sync.WaitGroup
}

func startBookie(j *journal, to acker) (*bookie, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bookie{listener: l}
	b.serving.Go(func() {
		serve(l, func(nc net.Conn) {
			answers := &bookieAnswers{out: outbox{nc: nc}}
			one := make([]stored, 1)
			read(nc, func(_ byte, id uint64, payload []byte) {
				one[0] = stored{id, payload}
				j.append(one, answers)
			}, func() {})
		})
	})
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.close()
		return nil, err
	}
	b.client = &bookieClient{out: outbox{nc: nc}}
	b.client.reading.Go(func() {
		var ids []uint64
		read(nc, func(_ byte, id uint64, _ []byte) { ids = append(ids, id) }, func() {
			to.durable(ids)
			ids = ids[:0]
		})
	})
	return b, nil
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

func (c *bookieClient) store(entries []stored) {
	var head [load.PipelineHeader]byte
	for _, e := range entries {
		c.out.add(load.AppendPipelineHeader(head[:0], load.PipelineEntry, e.id, len(e.payload)), e.payload)
	}
}

func (c *bookieClient) flush() { c.out.flush() }

// close ends the connection and the listener. Idempotent.
func (b *bookie) close() error {
	if b.client != nil {
		b.client.out.nc.Close()
		b.client.reading.Wait()
	}
	err := b.listener.Close()
	b.serving.Wait()
	return err
}
