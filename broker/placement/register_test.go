package placement

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"

	"github.com/strobemq/strobe/storage/meta"
)

// forgetful is a store whose answers get lost: each change is made, or is not, and then its result is unknown, every second time.
type forgetful struct {
	meta.Store
	made          bool // whether what was answered with ErrUnknown has happened
	puts, deletes atomic.Int64
}

func lose(calls *atomic.Int64) bool { return calls.Add(1)%2 == 1 }

func (f *forgetful) Delete(ctx context.Context, key string, expect meta.Version) error {
	if !lose(&f.deletes) {
		return f.Store.Delete(ctx, key, expect)
	}
	if f.made {
		if err := f.Store.Delete(ctx, key, expect); err != nil {
			return err
		}
	}
	return meta.ErrUnknown
}

func (f *forgetful) Session(ctx context.Context) (meta.Session, error) {
	s, err := f.Store.Session(ctx)
	return &forgetfulSession{s, f}, err
}

type forgetfulSession struct {
	meta.Session
	f *forgetful
}

func (s *forgetfulSession) PutEphemeral(ctx context.Context, key string, data []byte) (meta.Version, error) {
	if !lose(&s.f.puts) {
		return s.Session.PutEphemeral(ctx, key, data)
	}
	if s.f.made {
		if _, err := s.Session.PutEphemeral(ctx, key, data); err != nil {
			return 0, err
		}
	}
	return 0, meta.ErrUnknown
}

// An answer that was lost on the way to the metadata store is no reason not to come up, nor not to serve: what is there is read again and
// compared. Nodes of a former life, whose session still lives, are not taken for this one's.
func TestAnswersAreLost(t *testing.T) {
	for _, made := range []bool{true, false} {
		m := newMeta(t)
		n := name(t, "persistent://public/default/t")
		before := broker(t, m, 6650, nil)
		must(t, before.Own(t.Context(), n))

		p := broker(t, &forgetful{Store: m, made: made}, 6650, nil)
		must(t, p.Own(t.Context(), n))
		must(t, before.Close()) // its session ends: its values go with it
		brokers, err := p.Brokers(t.Context())
		must(t, err)
		if len(brokers) != 1 || brokers[0] != p.ID() {
			t.Errorf("made=%v: brokers %v are left, want %s", made, brokers, p.ID())
		}
		id, _, err := p.Leader(t.Context())
		must(t, err)
		if id != p.ID() {
			t.Errorf("made=%v: the leader is %q, want %s", made, id, p.ID())
		}
		b, err := p.Bundle(t.Context(), n)
		must(t, err)
		v, err := m.Get(t.Context(), b.key())
		must(t, err)
		var o ownership
		must(t, json.Unmarshal(v.Data, &o))
		if o.Broker != "pulsar://127.0.0.1:6650" || !v.Ephemeral {
			t.Errorf("made=%v: the bundle's node is %+v", made, o)
		}
	}
}

// When the leader has gone another broker leads, without waiting for a session of its own to end.
func TestAnotherBrokerLeads(t *testing.T) {
	m := newMeta(t)
	one, two := broker(t, m, 6650, nil), broker(t, m, 6660, nil)
	changed := make(chan struct{}, 100)
	must(t, m.Watch(t.Context(), leaderKey, func(meta.Event) { changed <- struct{}{} }))
	if id, _, err := two.Leader(t.Context()); err != nil || id != one.ID() {
		t.Fatalf("the leader is %q, %v", id, err)
	}
	must(t, one.Close())
	for {
		id, _, err := two.Leader(t.Context())
		must(t, err)
		if id == two.ID() {
			break
		}
		<-changed
	}
}
