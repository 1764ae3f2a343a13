package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// Server serves the Pulsar protocol on any number of listeners.
type Server struct {
	o       Options
	log     *slog.Logger
	budget  budget
	watches watches

	mu        sync.Mutex // guards all below
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	closing   bool
	stopping  chan struct{} // closed with closing

	serving sync.WaitGroup // Serve calls
	open    sync.WaitGroup // connections
}

// New makes a Server; it starts nothing.
func New(o Options) *Server {
	o = o.withDefaults()
	return &Server{
		o: o, log: o.Log,
		listeners: map[net.Listener]struct{}{}, conns: map[*conn]struct{}{}, stopping: make(chan struct{}),
	}
}

// Serve accepts connections until the listener fails or the server closes; then the error is nil. It closes l.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return errors.Join(l.Close(), net.ErrClosed)
	}
	s.listeners[l] = struct{}{}
	s.serving.Add(1)
	s.mu.Unlock()
	defer s.serving.Done()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		_ = l.Close() // closing twice is no error that matters
	}()
	for {
		nc, err := l.Accept()
		if err != nil {
			s.mu.Lock()
			closing := s.closing
			s.mu.Unlock()
			if closing {
				return nil
			}
			if !passing(err) {
				return err
			}
			s.log.Warn("connection not accepted", "err", err)
			select {
			case <-time.After(acceptPause):
			case <-s.stopping:
			}
			continue
		}
		s.start(nc)
	}
}

// acceptPause is how long Serve waits when the system has no file descriptor left for a connection.
const acceptPause = 100 * time.Millisecond

// passing reports whether accepting failed in a way that passes.
func passing(err error) bool {
	for _, e := range []error{syscall.ECONNABORTED, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// start runs a connection on goroutines of its own.
func (s *Server) start(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		_ = nc.Close()
		c.stop()
		return
	}
	s.conns[c] = struct{}{}
	s.open.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.open.Done()
		c.run()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// Stats are the server's queues and their limits now.
type Stats struct {
	Connections    int
	PublishBytes   int64 // received and not yet answered
	PublishBudget  int64
	OutputBytes    int64 // not yet written, over all connections
	OutputLimit    int64 // of each connection, where dispatch pauses
	Congested      int   // connections at that limit
	Requests       int   // commands being worked on
	ProducersBound int
	ConsumersBound int
}

// Stats is a snapshot.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	st := Stats{Connections: len(conns), PublishBytes: s.budget.used.Load(), PublishBudget: s.o.PublishBudget, OutputLimit: int64(s.o.MaxOutput)}
	for _, c := range conns {
		st.OutputBytes += int64(c.out.Unwritten())
		if c.out.Congested() {
			st.Congested++
		}
		c.mu.Lock()
		st.ProducersBound += len(c.producers)
		st.ConsumersBound += len(c.consumers)
		c.mu.Unlock()
		st.Requests += len(c.slots)
	}
	return st
}

// Close ends the server in order: nothing new is accepted; what clients have sent is finished and answered; each producer and
// consumer is asked to go elsewhere; what is queued is written; connections close. When ctx ends first, what is left is cut off and
// the error is ctx's. Idempotent; when it returns no goroutine of the server is left.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		close(s.stopping)
	}
	for l := range s.listeners {
		_ = l.Close()
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	s.serving.Wait()

	for _, c := range conns {
		c.leave()
	}
	done := make(chan struct{})
	go func() {
		s.open.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	for _, c := range conns {
		c.stop()
	}
	<-done
	return ctx.Err()
}
