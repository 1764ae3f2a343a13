package topicio

import (
	"context"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// holder lets go of producers whose lease is lost, also while nothing is written: the next reader of the partition waits for their names.
type holder struct {
	lost chan struct{} // one token
	stop chan struct{}
	done chan struct{}
}

// hold ties a producer to a lease.
func (s *Sink) hold(p *producer, lease *connectors.Lease) {
	if s.holder == nil {
		s.holder = &holder{lost: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
		go s.letGo(s.holder)
	}
	p.lease = lease
	lease.Notify(s.holder.lost)
}

func (s *Sink) letGo(h *holder) {
	defer close(h.done)
	for {
		select {
		case <-h.lost:
			s.mu.Lock()
			s.closeProducers(func(p *producer) bool { return p.lease.Lost() })
			s.mu.Unlock()
		case <-h.stop:
			return
		}
	}
}

// closeProducers leaves the producers that which picks.
func (s *Sink) closeProducers(which func(*producer) bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, t := range s.targets {
		for k, p := range t.producers {
			if which(p) {
				_ = p.close(ctx) // a connection that has ended has closed it already
				delete(t.producers, k)
			}
		}
	}
}

// Close leaves all producers. Idempotent.
func (s *Sink) Close() error {
	s.mu.Lock()
	h := s.holder
	s.holder = nil
	s.closeProducers(func(*producer) bool { return true })
	s.targets = nil
	s.mu.Unlock()
	if h != nil {
		close(h.stop)
		<-h.done
	}
	return nil
}
