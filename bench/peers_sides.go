package main

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/bench/machine"
	"github.com/strobemq/strobe/bench/peers"
)

const peerName = "Apache Pulsar"

// servesTime is how long a broker that listens may take to serve: a Java machine on a busy computer takes minutes.
const servesTime = 5 * time.Minute

// side is one of two brokers that are compared.
type side struct {
	name     string
	url      string
	pids     []int // all its processes, those that keep its metadata among them
	close    func()
	settings []peers.Setting
}

// startSide starts a broker in an empty directory; set is configuration of the peer's.
func (b *bench) startSide(ctx context.Context, name string, f form, set ...string) (*side, error) {
	if name == strobe {
		d, err := b.deploy(ctx, f, b.strobe, "side")
		if err != nil {
			return nil, err
		}
		s := &side{name: name, url: d.Pulsar, pids: d.pids(), close: d.Close}
		if d.cluster != nil {
			s.pids = append(s.pids, d.cluster.Etcd.Members[0].PID())
		}
		return s, nil
	}
	a, err := peers.StartApache(ctx, b.scripts, b.path("apache"), f.bookies > 0, set...)
	if err != nil {
		a.Close()
		return nil, err
	}
	return &side{name: name, url: a.URL, pids: a.PIDs(), close: a.Close, settings: a.Settings()}, nil
}

// serves publishes a message as soon as the broker takes it.
func (s *side) serves(ctx context.Context, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, servesTime)
	defer cancel()
	for {
		err := firstPublish(ctx, s.url, topic)
		if err == nil {
			return nil
		}
		if e := rest(ctx, 20*time.Millisecond); e != nil {
			return fmt.Errorf("%s does not serve: %w", s.name, err)
		}
	}
}

// memory is the resident memory of all processes, in bytes.
func (s *side) memory() (float64, error) {
	var sum int64
	for _, pid := range s.pids {
		v, err := machine.RSS(pid)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return float64(sum), nil
}

// ends connects the generator; a stock client has the topic's broker found first.
func (s *side) ends(ctx context.Context, topic string, of shape) (*ends, error) {
	if err := s.serves(ctx, topic); err != nil {
		return nil, err
	}
	e, err := pulsarEnds(ctx, s.url, topic, of)
	e.name, e.pids = s.name, s.pids
	if err != nil {
		e.close()
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return e, nil
}
