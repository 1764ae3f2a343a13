package placement

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// register opens a session and makes this broker known, and the leader when there is none.
func (p *Placement) register(ctx context.Context) (meta.Session, error) {
	session, err := p.o.Meta.Session(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.announce(ctx, session); err != nil {
		return nil, errors.Join(err, session.Close())
	}
	return session, nil
}

func (p *Placement) announce(ctx context.Context, session meta.Session) error {
	taken, err := p.claim(ctx, session, brokersKey+"/"+p.o.ID, p.o.registration(), func(data []byte) bool {
		var r registration
		return json.Unmarshal(data, &r) == nil && r.Broker == p.o.Broker && r.HTTP == p.o.HTTP
	})
	if err != nil {
		return err
	}
	if taken != nil {
		return fault.BrokerRegistered.New("%s: %s", p.o.ID, bytes.ToValidUTF8(taken[:min(len(taken), 200)], nil))
	}
	return p.lead(ctx, session)
}

// lead makes this broker the leader unless there is another one.
func (p *Placement) lead(ctx context.Context, session meta.Session) error {
	_, err := p.claim(ctx, session, leaderKey, mustJSON(leader{p.o.ID, p.o.HTTP}), func(data []byte) bool {
		var l leader
		return decodeLeader(data, &l) == nil && l.ID == p.o.ID
	})
	return err
}

// watchLeader makes keep look after the leader's node: once now, and whenever something happens to it.
func (p *Placement) watchLeader(ctx context.Context) error {
	look := func() {
		select {
		case p.leading <- struct{}{}:
		default: // it will
		}
	}
	err := p.o.Meta.Watch(ctx, leaderKey, func(meta.Event) { look() })
	look()
	return err
}

// succeed takes the place of a leader that has gone.
func (p *Placement) succeed(ctx context.Context, session meta.Session) {
	_, err := p.o.Meta.Get(ctx, leaderKey)
	if errors.Is(err, meta.ErrNotFound) {
		err = p.lead(ctx, session)
	}
	if err != nil && ctx.Err() == nil {
		p.o.Log.Warn("who leads the brokers is not known", "error", err) // the store tells when it answers again
	}
}

// claim makes the node key of the session. A node of which mine says that it has this broker's addresses is from a former life of it, whose
// session has not yet ended, or from an attempt whose answer was lost: that cannot be told apart, and it is made anew in
// both cases. What another broker has there is returned, and stays.
func (p *Placement) claim(ctx context.Context, session meta.Session, key string, data []byte, mine func([]byte) bool) (taken []byte, err error) {
	for {
		_, err := session.PutEphemeral(ctx, key, data)
		switch {
		case err == nil:
			return nil, nil
		case errors.Is(err, meta.ErrUnknown) && ctx.Err() == nil: // it may be there: the next attempt says so
			continue
		case !errors.Is(err, meta.ErrConflict):
			return nil, err
		}
		v, err := p.o.Meta.Get(ctx, key)
		switch {
		case errors.Is(err, meta.ErrNotFound):
			continue
		case err != nil:
			return nil, err
		case !mine(v.Data):
			return v.Data, nil
		}
		if err := p.o.Meta.Delete(ctx, key, v.Version); err != nil && !gone(err) && (!errors.Is(err, meta.ErrUnknown) || ctx.Err() != nil) {
			return nil, err
		}
	}
}

// gone is the answer to the deletion of what somebody else deleted or changed meanwhile.
func gone(err error) bool {
	return errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrConflict)
}

func decodeLeader(data []byte, l *leader) error {
	if err := json.Unmarshal(data, l); err != nil {
		return fault.PolicyValue.New("%s: %w", leaderKey, err)
	}
	return nil
}

// keep watches over the session and opens another when it is lost, until ctx is done.
func (p *Placement) keep(ctx context.Context, session meta.Session) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.leading:
			p.succeed(ctx, session)
			continue
		case <-session.Lost():
		}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return
		}
		p.session = nil
		clear(p.bundles)
		p.mu.Unlock()
		p.o.Log.Warn("the session with the metadata store was lost; all bundles are given up")
		if p.o.Lost != nil {
			p.o.Lost()
		}
		var err error
		for pause := 100 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
			if session, err = p.register(ctx); err == nil {
				break
			}
			if errors.Is(err, meta.ErrClosed) || ctx.Err() != nil {
				return
			}
			p.o.Log.Warn("registering again failed", "error", err)
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
		}
		p.mu.Lock()
		p.session = session
		p.mu.Unlock()
		p.o.Log.Info("registered again")
	}
}
