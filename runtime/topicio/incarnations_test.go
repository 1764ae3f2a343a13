package topicio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// sharedMap is Shared in memory.
type sharedMap struct {
	mu     sync.Mutex
	values map[string][]byte
	swaps  int
	fail   error
}

func (m *sharedMap) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], nil
}

func (m *sharedMap) Swap(_ context.Context, key string, old, new []byte) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	if bytes.Equal(m.values[key], old) {
		m.values[key] = bytes.Clone(new)
		m.swaps++
	}
	return m.values[key], nil
}

func TestIncarnationsNameTheLivesOfATopic(t *testing.T) {
	var shared sharedMap
	instances := []*Incarnations{NewIncarnations(&shared), NewIncarnations(&shared)}
	turns := map[string]*turn{}
	name := func(of int, topic, in string, ledger int64) string {
		t.Helper()
		if turns[in] == nil {
			turns[in] = &turn{}
		}
		s, err := instances[of].name(t.Context(), topic, ledger, turns[in])
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nonces := map[string]string{}
	for _, s := range []struct {
		what   string
		of     int
		topic  string
		turn   string
		ledger int64
		want   string
	}{
		{"first entry", 0, "a", "1", 10, "a#10"},
		{"next of the ledger", 0, "a", "1", 10, "a#10"},
		{"next ledger", 0, "a", "1", 12, "a#10"},
		{"another topic", 0, "b", "b", 11, "b#11"},
		{"another instance takes over where a ledger was seen", 1, "a", "2", 12, "a#10"},
		{"the one before is still at it, in a ledger that is new", 0, "a", "1", 13, "a#10"},
		{"and the other one comes there too", 1, "a", "2", 13, "a#10"},
		{"a turn that begins in a ledger nobody saw: perhaps the topic was made again", 0, "a", "3", 20, "a#20"},
		{"the other instance does not know of it yet", 1, "a", "4", 20, "a#20"},
		{"its next ledger", 1, "a", "4", 21, "a#20"},
		{"a late one of the life before, with a ledger between", 1, "a", "2", 15, "a#10"},
		{"back to before the first: no number of it was ever used", 0, "a", "5", 3, "a#3"},
		{"and on", 0, "a", "5", 4, "a#3"},
		{"into what was there before", 0, "a", "5", 10, "a#10"},
	} {
		for again := range 2 {
			got, nonce, _ := strings.Cut(name(s.of, s.topic, s.turn, s.ledger), "-")
			if got != s.want {
				t.Errorf("%s: %s, want %s (%d)", s.what, got, s.want, again)
			}
			if was := nonces[got]; was != "" && was != nonce {
				t.Errorf("%s: %s has two nonces", s.what, got)
			}
			nonces[got] = nonce
			instances[s.of] = NewIncarnations(&shared) // a crash after every step changes nothing
		}
	}
	if shared.swaps != 7 {
		t.Errorf("%d swaps, want one for each ledger that was new at the end and one for each life: 7", shared.swaps)
	}
	before := name(0, "a", "5", 10)
	shared.fail = errors.New("no")
	if _, err := instances[0].name(t.Context(), "a", 40, turns["5"]); err == nil {
		t.Error("a ledger was handed on that could not be remembered")
	}
	shared.fail = nil
	if got := name(0, "a", "5", 40); !strings.HasPrefix(got, "a#20-") || before == got {
		t.Errorf("after the failure: %s", got)
	}
	other := NewIncarnations(&sharedMap{})
	if got, err := other.name(t.Context(), "a", 20, &turn{}); err != nil || got == name(0, "a", "4", 20) {
		t.Errorf("a function made anew, which has forgotten, numbers under the name of the one before: %s %v", got, err)
	}
}

// However the instances race to name what they see, they agree.
func TestInstancesAgreeOnNames(t *testing.T) {
	for range 50 {
		var shared sharedMap
		names := make([]map[int64]string, 8)
		var all sync.WaitGroup
		for i := range names {
			names[i] = map[int64]string{}
			n := NewIncarnations(&shared)
			all.Go(func() {
				var in *turn
				for ledger := int64(1); ledger < 40; ledger++ {
					if in == nil || int(ledger)%(i+2) == 0 {
						in = &turn{}
					}
					s, err := n.name(context.Background(), "a", ledger, in)
					if err != nil {
						t.Error(err)
					}
					names[i][ledger] = s
				}
			})
		}
		all.Wait()
		for i := range names {
			if fmt.Sprint(names[i]) != fmt.Sprint(names[0]) {
				t.Fatalf("instance %d:\n%v\ninstance 0:\n%v", i, names[i], names[0])
			}
		}
	}
}

func TestLivesAreBounded(t *testing.T) {
	n := NewIncarnations(&sharedMap{})
	for ledger := range int64(3 * maxLives) {
		if _, err := n.name(t.Context(), "a", ledger, &turn{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(n.topics["a"].List); got != maxLives {
		t.Errorf("%d lives", got)
	}
}
