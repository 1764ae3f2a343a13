package load

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
)

// Spread publishes entries entries to each of the topics in turn, on one connection, window unanswered at most, and returns when all
// are answered. Entries of one topic lie as far apart in the store as there are topics.
func Spread(ctx context.Context, url string, shape Shape, window, entries int, topics ...string) error {
	s, err := dial(ctx, url)
	if err != nil {
		return err
	}
	out := &spread{frames: make([][]byte, len(topics)), at: make([]int, len(topics))}
	for i, topic := range topics {
		id := uint64(i + 1)
		body, err := s.ask(wire.TypeProducer, &pb.Producer{Topic: &topic, ProducerId: &id, RequestId: proto.Uint64(id)}, wire.TypeProducerSuccess)
		var m pb.ProducerSuccess
		if err == nil {
			err = wire.DecodeBody(wire.TypeProducerSuccess, body, &m)
		}
		if err != nil {
			s.nc.Close()
			return fmt.Errorf("%s: %w", topic, err)
		}
		out.frames[i], out.at[i] = pulsarEntry(shape, m.GetProducerName(), id)
	}
	p := newProducer(s.nc, out, shape, 0, s.rest)
	defer p.Close()
	defer context.AfterFunc(ctx, func() { s.nc.Close() })()
	var buf []byte
	for k := 0; k < entries*len(topics); {
		n := min(group, entries*len(topics)-k)
		if err := p.credit(n, window); err != nil {
			return err
		}
		if _, err := p.announce(make([]time.Duration, n)...); err != nil {
			return err
		}
		buf = buf[:0]
		for range n {
			i := k % len(topics)
			number(out.frames[i], out.at[i], firstSequence+uint64(k/len(topics)))
			buf = append(buf, out.frames[i]...)
			k++
		}
		if _, err := p.nc.Write(buf); err != nil {
			return err
		}
	}
	return p.Drain(ctx)
}

// spread counts answers: those of different topics come in any order.
type spread struct {
	frames [][]byte
	at     []int
	acks   uint64
	one    pulsarProducer
}

func (s *spread) entry() []byte         { return nil }
func (s *spread) number([]byte, uint64) {}
func (s *spread) acked(b []byte, nc net.Conn, ack func(uint64)) (int, error) {
	return s.one.acked(b, nc, func(uint64) {
		ack(s.acks)
		s.acks++
	})
}
