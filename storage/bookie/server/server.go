// Package server serves a bookie over TCP in BookKeeper's protocol, version 2 (interop §1). Each connection has a goroutine that
// reads and one that writes. Adds go to the bookie in lists, as they came, over a bookie.Local of the connection's own: its
// queue, its byte cap and its order of answers are those of a client in the same process. Reads are done by workers that all
// connections share, those that fence or have priority by others than the rest, so that neither waits for adds or for the other.
package server

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bookie"
)

// Server serves one bookie. Its methods are safe for concurrent use.
type Server struct {
	b        *bookie.Bookie
	o        Options
	log      *slog.Logger
	normal   *pool
	priority *pool
	metrics  counters

	mu        sync.Mutex
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	closed    bool
	work      sync.WaitGroup // connections and Serve
}

// New returns a server for b, which the caller keeps owning and closes after the server.
func New(b *bookie.Bookie, o Options) *Server {
	o = o.withDefaults()
	return &Server{
		b: b, o: o, log: o.Log.With("component", "bookie-server", "bookie", b.ID()),
		normal: newPool(o.ReadWorkers), priority: newPool(o.PriorityWorkers),
		listeners: map[net.Listener]bool{}, conns: map[*conn]bool{},
	}
}

// acceptPause is how long accepting rests after it failed, as it does when there are no file descriptors left.
const acceptPause = 100 * time.Millisecond

// Serve takes connections from l, which it closes, until Close; then it returns nil.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.listeners[l] = true
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.begin(nc)
		case s.isClosed():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			s.log.Warn("connection not accepted", "error", err)
			time.Sleep(acceptPause)
		}
	}
}

// begin serves a connection, unless there are too many.
func (s *Server) begin(nc net.Conn) {
	s.metrics.accepted.Add(1)
	c := newConn(s, nc)
	s.mu.Lock()
	full := len(s.conns) >= s.o.MaxConns
	if s.closed || full {
		s.mu.Unlock()
		if full {
			s.metrics.turnedAway.Add(1)
		}
		nc.Close()
		if full {
			s.log.Warn("connection closed", "code", fault.BookieConnections.Code, "remote", nc.RemoteAddr().String(), "connections", s.o.MaxConns)
		}
		return
	}
	s.conns[c] = true
	c.local = s.b.Local()
	s.work.Go(func() {
		c.run()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	})
	s.mu.Unlock()
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// Close takes no more connections and requests, answers those it has, and joins everything. A client that does not take its
// answers is cut off after Options.DrainTime. Idempotent.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		l.Close()
	}
	clear(s.listeners)
	for c := range s.conns {
		c.leave()
	}
	s.mu.Unlock()
	s.work.Wait()
	s.normal.Close()
	s.priority.Close()
	return nil
}
