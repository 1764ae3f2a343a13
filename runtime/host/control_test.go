package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// ends are the two ends of a control socket.
func socketEnds(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	other, err := fileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	return ours, other
}

// What is too large for a frame is refused on the side that says it, call or answer, and the connection goes on.
func TestTooLargeFramesAreRefusedWhereTheyComeFrom(t *testing.T) {
	ours, theirs := socketEnds(t)
	server := newPeer(theirs, func(_ context.Context, method string, _ json.RawMessage) (any, error) {
		switch method {
		case "large answer":
			return strings.Repeat("x", maxFrame), nil
		case "large error":
			return nil, errors.New(strings.Repeat("é", maxDetail))
		}
		return "fine", nil
	})
	defer server.close()
	client := newPeer(ours, nil)
	defer client.close()
	ctx := t.Context()
	if err := client.call(ctx, "large call", strings.Repeat("x", maxFrame), nil); !fault.Has(err, fault.ProcessControl) || !strings.Contains(err.Error(), "large call") {
		t.Errorf("a large call: %.200v", err)
	}
	if err := client.call(ctx, "large answer", nil, nil); !fault.Has(err, fault.ProcessControl) || !strings.Contains(err.Error(), "answer") {
		t.Errorf("a large answer: %.200v", err)
	}
	if err := client.call(ctx, "large error", nil, nil); err == nil || len(err.Error()) > maxDetail+10 {
		t.Errorf("a large error: %.200v", err)
	}
	var got string
	if err := client.call(ctx, "small", nil, &got); err != nil || got != "fine" {
		t.Errorf("afterwards: %q %v", got, err)
	}
}

// A process that takes no bytes is given up after the write time; until then only the one call that writes waits for it, not those with
// less patience.
func TestAProcessThatTakesNothingIsGivenUp(t *testing.T) {
	ours, theirs := socketEnds(t)
	defer theirs.Close() // it never reads
	p := newPeer(ours, nil)
	defer p.close()
	p.writeTime = 300 * time.Millisecond
	large := strings.Repeat("x", maxFrame/2)
	blocked := make(chan error, 1)
	go func() { blocked <- p.call(t.Context(), "large", large, nil) }()
	<-p.writer // once the writer has it, or before: both are given back
	p.writer <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.call(ctx, "small", nil, nil); !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, errPeerGone) {
		t.Errorf("an impatient call: %v", err)
	}
	select {
	case err := <-blocked:
		if !errors.Is(err, errPeerGone) {
			t.Errorf("the blocked call: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the call hangs")
	}
	if err := p.call(t.Context(), "later", nil, nil); !errors.Is(err, errPeerGone) {
		t.Errorf("a later call: %v", err)
	}
}

// wordy is an instance with a long status.
type wordy struct{ status functions.Status }

func (w wordy) Status() (functions.Status, bool) { return w.status, true }
func (wordy) Done() <-chan struct{}              { return nil }
func (wordy) Stop(context.Context) error         { return nil }

// However many instances there are, a status is there for each, and no answer has more than a page of them.
func TestStatusesComeInPages(t *testing.T) {
	const n = 3*statusPage + 5
	ours, theirs := socketEnds(t)
	c := &childProcess{running: map[key]Running{}, ready: make(chan struct{})}
	parent := &child{launcher: &Launcher{}, handles: map[key]*handle{}}
	s := functions.Status{State: functions.StateBackoff}
	for range 10 {
		s.RecentErrors = append(s.RecentErrors, functions.Event{Text: "trouble"})
	}
	for i := range n {
		k := key{Kind: functions.KindFunction, Name: functions.FQName{Name: fmt.Sprint(i)}, Run: uint64(i + 1)}
		c.running[k] = wordy{s}
		parent.handles[k] = &handle{child: parent, key: k, done: make(chan struct{})}
	}
	c.peer = newPeer(theirs, c.answer)
	defer c.peer.close()
	close(c.ready)
	parent.peer = newPeer(ours, parent.answer)
	defer parent.peer.close()
	if page := c.statuses(0); len(page.Instances) != statusPage || !page.More {
		t.Errorf("a page of %d, more: %v", len(page.Instances), page.More)
	}
	parent.refresh()
	for k, h := range parent.handles {
		if h.last.State != functions.StateBackoff || len(h.last.RecentErrors) != 10 {
			t.Fatalf("run %d has status %v", k.Run, h.last.State)
		}
	}
}

// What instances share goes through the parent, as long as the instance runs.
func TestSharedValuesGoThroughTheParent(t *testing.T) {
	ours, theirs := socketEnds(t)
	values := map[string]string{}
	l := NewLauncher(Options{
		LoadShared: func(_ context.Context, _ functions.Kind, n functions.FQName, key string) ([]byte, error) {
			return []byte(values[n.Name+key]), nil
		},
		SwapShared: func(_ context.Context, _ functions.Kind, n functions.FQName, key string, old, new []byte) ([]byte, error) {
			if values[n.Name+key] == string(old) {
				values[n.Name+key] = string(new)
			}
			return []byte(values[n.Name+key]), nil
		},
	})
	k := key{Kind: functions.KindFunction, Name: functions.FQName{Name: "f"}, Run: 1}
	parent := &child{launcher: l, handles: map[key]*handle{}}
	parent.handles[k] = &handle{child: parent, key: k, done: make(chan struct{})}
	parent.peer = newPeer(ours, parent.answer)
	defer parent.peer.close()
	p := newPeer(theirs, nil)
	defer p.close()
	r := remoteShared{p, k}
	for _, s := range []struct{ old, new, want string }{{"", "a", "a"}, {"", "b", "a"}, {"a", "b", "b"}} {
		if got, err := r.Swap(t.Context(), "x", []byte(s.old), []byte(s.new)); err != nil || string(got) != s.want {
			t.Errorf("swap %q for %q: %q %v", s.old, s.new, got, err)
		}
	}
	if got, err := r.Load(t.Context(), "x"); err != nil || string(got) != "b" {
		t.Errorf("%q %v", got, err)
	}
	parent.end(k, nil)
	if _, err := r.Swap(t.Context(), "x", []byte("b"), []byte("c")); err == nil || values["fx"] != "b" {
		t.Errorf("an instance that has ended changed something: %v", err)
	}
}
