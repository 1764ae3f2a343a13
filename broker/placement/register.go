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
	key := brokersKey + "/" + p.o.ID
	for {
		_, err := session.PutEphemeral(ctx, key, p.o.registration())
		if !errors.Is(err, meta.ErrConflict) {
			if err != nil {
				return err
			}
			break
		}
		if err := p.replace(ctx, key); err != nil {
			return err
		}
	}
	_, err := session.PutEphemeral(ctx, leaderKey, mustJSON(leader{p.o.ID, p.o.HTTP}))
	if errors.Is(err, meta.ErrConflict) {
		return nil
	}
	return err
}

// replace takes away a registration of a former life of this broker, which had the same addresses. Another broker's is left.
func (p *Placement) replace(ctx context.Context, key string) error {
	v, err := p.o.Meta.Get(ctx, key)
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	var r registration
	if err := json.Unmarshal(v.Data, &r); err != nil || r.Broker != p.o.Broker || r.HTTP != p.o.HTTP {
		return fault.BrokerRegistered.New("%s: %s", p.o.ID, bytes.ToValidUTF8(v.Data[:min(len(v.Data), 200)], nil))
	}
	err = p.o.Meta.Delete(ctx, key, v.Version)
	if errors.Is(err, meta.ErrNotFound) || errors.Is(err, meta.ErrConflict) {
		return nil
	}
	return err
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
