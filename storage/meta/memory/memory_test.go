package memory_test

import (
	"testing"
	"time"

	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/memory"
	"github.com/strobemq/strobe/storage/storagetest"
)

func TestStore(t *testing.T) {
	storagetest.Meta(t, func(t *testing.T) meta.Store {
		s := memory.New()
		t.Cleanup(func() { _ = s.Close() })
		return s
	})
}

func TestLose(t *testing.T) {
	s := memory.New()
	defer s.Close()
	session, err := s.Session(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.PutEphemeral(t.Context(), "/lock", nil); err != nil {
		t.Fatal(err)
	}
	s.Lose()
	select {
	case <-session.Lost():
	case <-time.After(10 * time.Second):
		t.Fatal("not lost")
	}
	if _, err := s.Put(t.Context(), "/lock", nil, meta.Absent); err != nil {
		t.Fatalf("the lock of a lost session: %v", err)
	}
}
