package sim

import (
	"context"
	"sync"
	"time"

	"github.com/strobemq/strobe/storage/meta"
)

// session is a session that ends when the store does not hear of its process for a while. The process learns of it when the
// store can tell it again.
type session struct {
	l    *metaLink
	real meta.Session
	lost chan struct{}
	once sync.Once
	left chan struct{} // closed when Close begins: no sign of life is given from then on
	done chan struct{} // closed when the store has heard of Close
}

func (l *metaLink) Session(ctx context.Context) (meta.Session, error) {
	real, err := ask(ctx, l, errAway, func() (meta.Session, error) { return l.m.Store.Session(context.Background()) })
	if err != nil {
		return nil, err // one that was opened and nobody knows of holds nothing
	}
	s := &session{l: l, real: real, lost: make(chan struct{}), left: make(chan struct{}), done: make(chan struct{})}
	l.m.keep(s)
	go s.live()
	return s, nil
}

// beats is how often a session's process says in the time of a session's life that it is there.
const beats = 5

// live ends the session when it was not heard of for its time to live, and tells the process.
func (s *session) live() {
	defer s.l.m.lose(s)
	pause := s.l.m.ttl / beats
	t := time.NewTimer(pause)
	defer t.Stop()
	heard, left := time.Now(), false
	leaving := s.left
	for {
		select {
		case <-s.done:
			return
		case <-leaving:
			left, leaving = true, nil
		case <-s.real.Lost():
		case <-t.C:
		}
		t.Reset(pause)
		away := left || s.l.p.over() || s.l.out.blocked() != nil
		if !away {
			heard = time.Now()
		}
		if time.Since(heard) > s.l.m.ttl {
			s.l.m.h.count("sessions expired", 1)
			s.real.Close()
		}
		select {
		case <-s.real.Lost():
			if s.l.p.over() {
				return
			}
			if wait := s.l.back.blocked(); wait != nil {
				select {
				case <-wait:
				case <-s.left:
					return
				case <-s.l.p.ctx.Done():
					return
				}
			}
			close(s.lost)
			return
		default:
		}
	}
}

func (s *session) PutEphemeral(ctx context.Context, key string, data []byte) (meta.Version, error) {
	data = append([]byte{}, data...)
	return ask(ctx, s.l, meta.ErrUnknown, func() (meta.Version, error) { return s.real.PutEphemeral(context.Background(), key, data) })
}

func (s *session) Lost() <-chan struct{} { return s.lost }

// Close ends the session if the store hears of it; else it lives until its time is over. It does not wait for that.
func (s *session) Close() error {
	s.once.Do(func() {
		close(s.left)
		_, err := ask(context.Background(), s.l, errAway, func() (struct{}, error) { return struct{}{}, s.real.Close() })
		if err == nil {
			close(s.done)
		}
	})
	return nil
}
