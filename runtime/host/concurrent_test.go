package host

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/runtime/functions"
)

// TestManyCallsThatCallBack: starting more sources than there are slots, each of which asks for a secret while it starts, comes to an end.
func TestManyCallsThatCallBack(t *testing.T) {
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	other, err := fileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	parent := newPeer(ours, func(context.Context, string, json.RawMessage) (any, error) { return "x", nil })
	defer parent.close()
	ready := make(chan struct{})
	var child *peer
	all := make(chan struct{}) // closed once every slot is taken
	var taken sync.WaitGroup
	taken.Add(maxCalls)
	go func() { taken.Wait(); close(all) }()
	var mu sync.Mutex
	begun := 0
	child = newPeer(other, func(ctx context.Context, _ string, _ json.RawMessage) (any, error) {
		<-ready
		mu.Lock()
		if begun++; begun <= maxCalls {
			taken.Done()
		}
		mu.Unlock()
		<-all
		var v string
		return nil, child.call(ctx, callSecret, secretCall{"env:X"}, &v)
	})
	defer child.close()
	close(ready)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var calls sync.WaitGroup
	for range 3 * maxCalls {
		calls.Go(func() {
			if err := parent.call(ctx, callStart, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
}

// TestNothingIsSavedAfterTheEnd: who waits for the end of an instance and then removes its positions finds none of them back later.
func TestNothingIsSavedAfterTheEnd(t *testing.T) {
	saving, slow, saves := make(chan struct{}), make(chan struct{}), 0
	l := NewLauncher(Options{SaveCheckpoint: func(context.Context, functions.Kind, functions.FQName, int, []byte) error {
		saves++
		close(saving)
		<-slow
		return nil
	}})
	k := key{Kind: functions.KindSource, Run: 1}
	h := &handle{key: k, done: make(chan struct{})}
	c := &child{launcher: l, handles: map[key]*handle{k: h}}
	body, err := json.Marshal(checkpointCall{Key: k})
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Go(func() {
		if _, err := c.answer(t.Context(), callSave, body); err != nil {
			t.Error(err)
		}
	})
	<-saving
	both.Go(func() { c.end(k, nil) })
	select {
	case <-h.Done():
		t.Error("the instance is over while its position is being saved")
	case <-time.After(20 * time.Millisecond): // long enough for the end to have come
	}
	close(slow)
	both.Wait()
	<-h.Done()
	if _, err := c.answer(t.Context(), callSave, body); !errors.Is(err, errEnded) || saves != 1 {
		t.Errorf("after the end: %v, %d saves", err, saves)
	}
}
