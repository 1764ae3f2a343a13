package topicio

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/strobemq/strobe/connectors"
)

// Shared keeps small values that all instances of a function agree about.
type Shared interface {
	// Load returns a key's value, nil when there is none.
	Load(ctx context.Context, key string) ([]byte, error)
	// Swap replaces a key's value if it is old (nil: there is none), durably, and returns the value it then has: new, or what somebody else put there.
	Swap(ctx context.Context, key string, old, new []byte) ([]byte, error)
}

// Incarnations names the lives of input partitions, for effectively-once. The sequence ids of a function's outputs come from the indexes of its
// inputs, and a topic that is deleted and made again counts its indexes from the start, so each life needs a producer name of its own, and all
// instances the same.
//
// Ledger ids of one cluster only rise, so a life is a range of ledgers and is named by its first, "topic#ledger-nonce"; the nonce tells a function from
// one of the same name before it. Within one turn of a consumer all ledgers are of one life: deleting a topic ends the turn. A turn that begins in a ledger
// that nobody saw before may be that of a new life, so it begins one: if it is the old life after all, nothing is lost, because everything
// in earlier ledgers is acknowledged by then (or comes first, under the name it had), and nothing of this one was ever written.
//
// The name of a ledger that was seen never changes: a new life is put behind all ledgers seen, or before them. What is needed for that is stored before the
// first record of a ledger is handed on.
type Incarnations struct {
	shared Shared

	mu     sync.Mutex
	topics map[string]*lives
}

// lives is what is known of a partition.
type lives struct {
	Seen int64  `json:"seen"` // the highest ledger seen
	List []life `json:"lives"`

	stored []byte
}

// life is the ledgers from Ledger up to the next life.
type life struct {
	Ledger int64  `json:"ledger"`
	Nonce  string `json:"nonce"`
	name   string
}

// maxLives bounds the lives remembered of a partition. Each but the last matters only to those who go back that far.
const maxLives = 256

// NewIncarnations keeps what it must remember in shared.
func NewIncarnations(shared Shared) *Incarnations {
	return &Incarnations{shared: shared, topics: map[string]*lives{}}
}

// name is the name of the life that an entry of topic belongs to, which came in turn t.
func (n *Incarnations) name(ctx context.Context, topic string, ledger int64, t *turn) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	l := n.topics[topic]
	if l == nil {
		value, err := n.shared.Load(ctx, topic)
		if err != nil {
			return "", err
		}
		if l, err = parseLives(value); err != nil {
			return "", err
		}
		n.topics[topic] = l
	}
	for {
		next := l.with(ledger, !t.begun)
		if next == nil {
			t.begun = true
			return l.of(topic, ledger), nil
		}
		value, err := json.Marshal(next)
		if err != nil {
			return "", err
		}
		now, err := n.shared.Swap(ctx, topic, l.stored, value)
		if err != nil {
			return "", err
		}
		swapped := bytes.Equal(now, value)
		if l, err = parseLives(now); err != nil {
			return "", err
		}
		n.topics[topic] = l
		if swapped {
			t.begun = true
		}
	}
}

func parseLives(value []byte) (*lives, error) {
	l := &lives{stored: value}
	if len(value) > 0 {
		if err := json.Unmarshal(value, l); err != nil {
			return nil, connectors.As(connectors.Fatal, fmt.Errorf("stored lives of an input: %w", err))
		}
	}
	return l, nil
}

// with is l with a ledger, nil if that is the same. first: the ledger is that of a turn's first entry.
func (l *lives) with(ledger int64, first bool) *lives {
	next := &lives{Seen: max(l.Seen, ledger), List: l.List}
	switch {
	case len(l.List) == 0 || ledger < l.List[0].Ledger:
		next.List = slices.Insert(slices.Clone(l.List), 0, newLife(ledger))
		if len(next.List) > maxLives {
			next.List = slices.Delete(next.List, 1, 2)
		}
	case ledger <= l.Seen:
		return nil
	case first:
		next.List = append(slices.Clone(l.List), newLife(ledger))
		if len(next.List) > maxLives {
			next.List = next.List[1:]
		}
	}
	return next
}

func newLife(ledger int64) life {
	var nonce [4]byte
	_, _ = rand.Read(nonce[:]) // never fails
	return life{Ledger: ledger, Nonce: hex.EncodeToString(nonce[:])}
}

// of is the name of the life of a ledger that was seen.
func (l *lives) of(topic string, ledger int64) string {
	i := len(l.List) - 1
	for i > 0 && l.List[i].Ledger > ledger {
		i--
	}
	if l.List[i].name == "" {
		l.List[i].name = fmt.Sprintf("%s#%d-%s", topic, l.List[i].Ledger, l.List[i].Nonce)
	}
	return l.List[i].name
}
