package topicio

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/strobemq/strobe/connectors"
)

// Incarnations tells the lives of input partitions apart, for effectively-once: the sequence ids of a function's outputs come from
// the indexes of its inputs, and a topic that is deleted and made again counts its indexes from the start. Each life gets the
// id of the first ledger that was seen of it, and the name "topic#ledger", under which producers of outputs are named.
//
// Ledger ids of one cluster only rise. So a ledger higher than any seen whose index is not higher than one seen before belongs
// to a new life; redelivered entries come from ledgers seen before. What is needed to judge that is saved before the first record of a
// ledger is handed on.
type Incarnations struct {
	checkpoints connectors.Checkpoints

	mu     sync.Mutex
	loaded bool
	lives  map[string]*life
}

// life is what is known of the present life of a partition.
type life struct {
	Base   int64  `json:"base"`   // the first ledger seen of it: its name
	Ledger int64  `json:"ledger"` // the highest ledger seen
	Index  uint64 `json:"index"`  // an index seen in that ledger

	name string
}

// NewIncarnations keeps what it must remember in checkpoints.
func NewIncarnations(checkpoints connectors.Checkpoints) *Incarnations {
	return &Incarnations{checkpoints: checkpoints}
}

// name is the name of the life that an entry of topic belongs to.
func (n *Incarnations) name(ctx context.Context, topic string, ledger int64, index uint64) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.loaded {
		value, err := n.checkpoints.Load(ctx)
		if err != nil {
			return "", err
		}
		n.lives = map[string]*life{}
		if len(value) > 0 {
			if err := json.Unmarshal(value, &n.lives); err != nil {
				return "", connectors.As(connectors.Fatal, fmt.Errorf("checkpoint of input positions: %w", err))
			}
		}
		n.loaded = true
	}
	l := n.lives[topic]
	switch {
	case l == nil:
		l = &life{Base: ledger, Ledger: ledger, Index: index}
	case ledger <= l.Ledger:
		if l.name == "" {
			l.name = fmt.Sprintf("%s#%d", topic, l.Base)
		}
		return l.name, nil
	case index <= l.Index:
		l = &life{Base: ledger, Ledger: ledger, Index: index}
	default:
		l = &life{Base: l.Base, Ledger: ledger, Index: index}
	}
	before := n.lives[topic]
	n.lives[topic] = l
	value, err := json.Marshal(n.lives)
	if err == nil {
		err = n.checkpoints.Save(ctx, value)
	}
	if err != nil {
		if before == nil {
			delete(n.lives, topic)
		} else {
			n.lives[topic] = before
		}
		return "", err
	}
	l.name = fmt.Sprintf("%s#%d", topic, l.Base)
	return l.name, nil
}
