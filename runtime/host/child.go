package host

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/topicio"
)

// controlFD is the file descriptor by which the child inherits its end of the control socket.
const controlFD = 3

// Running is an instance in the child: runtime/instance's Loop.
type Running interface {
	Status() (functions.Status, bool)
	Done() <-chan struct{}
	Stop(ctx context.Context) error
}

// Build makes an instance run; it is what ties loop, topics, guests and connectors together.
type Build func(ctx context.Context, in functions.Instance, env Environment) (Running, error)

// Judge says whether a module can run as a function.
type Judge func(ctx context.Context, settings Settings, path string, memory int64) error

// Environment is what the child gives to an instance.
type Environment struct {
	Settings    Settings
	Checkpoints connectors.Checkpoints // the instance's own
	Shared      topicio.Shared         // of all instances of its deployment
	Secret      func(ref string) (string, error)
	Log         *slog.Logger
}

// RunChild is the child's life: it serves the parent's calls until the control socket ends, and then leaves the process at once with
// os.Exit, whatever its instances do: without the parent nobody may write on its behalf.
func RunChild(log *slog.Logger, build Build, judge Judge) error {
	conn, err := net.FileConn(os.NewFile(controlFD, "control"))
	if err != nil {
		return fmt.Errorf("strobe host is started by strobe itself, with a control socket as file descriptor %d: %w", controlFD, err)
	}
	c := &childProcess{log: log, build: build, judge: judge, running: map[key]Running{}, ready: make(chan struct{})}
	c.peer = newPeer(conn, c.answer)
	close(c.ready)
	<-c.peer.done
	os.Exit(0)
	return nil
}

type childProcess struct {
	log   *slog.Logger
	build Build
	judge Judge
	peer  *peer
	ready chan struct{} // peer is set

	mu       sync.Mutex
	settings Settings
	running  map[key]Running
}

func (c *childProcess) answer(ctx context.Context, method string, body json.RawMessage) (any, error) {
	<-c.ready
	switch method {
	case callHello:
		c.mu.Lock()
		defer c.mu.Unlock()
		return nil, json.Unmarshal(body, &c.settings)
	case callStart:
		var in startCall
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return nil, c.start(ctx, in)
	case callStop:
		var in stopCall
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return nil, c.stop(ctx, in)
	case callStatus:
		var in statusCall
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return c.statuses(in.After), nil
	case callJudge:
		var in judgeCall
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		c.mu.Lock()
		settings := c.settings
		c.mu.Unlock()
		return nil, c.judge(ctx, settings, in.Path, in.Memory)
	}
	return nil, fmt.Errorf("unknown call %s", method)
}

func (c *childProcess) start(ctx context.Context, in startCall) error {
	c.mu.Lock()
	settings := c.settings
	c.mu.Unlock()
	k := in.Key
	log := c.log.With("kind", k.Kind, "name", k.Name.String(), "instance", k.Index)
	r, err := c.build(ctx, in.Instance, Environment{
		Settings: settings, Checkpoints: remoteCheckpoints{c.peer, k, log}, Shared: remoteShared{c.peer, k}, Secret: c.secret, Log: log,
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.running[k] = r
	c.mu.Unlock()
	go func() { // joined by the end of the process
		<-r.Done()
		c.mu.Lock()
		delete(c.running, k)
		c.mu.Unlock()
		last, _ := r.Status()
		_ = c.peer.call(c.peer.ctx, callEnded, instanceStatus{k, last}, nil) // fails only when the parent is gone
	}()
	return nil
}

func (c *childProcess) stop(ctx context.Context, in stopCall) error {
	c.mu.Lock()
	r := c.running[in.Key]
	c.mu.Unlock()
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, max(in.Drain, time.Second))
	defer cancel()
	return r.Stop(ctx)
}

// statuses is the next page of statuses.
func (c *childProcess) statuses(after uint64) statusReply {
	c.mu.Lock()
	defer c.mu.Unlock()
	var next []key
	for k := range c.running {
		if k.Run > after {
			next = append(next, k)
		}
	}
	slices.SortFunc(next, func(a, b key) int { return cmp.Compare(a.Run, b.Run) })
	var out statusReply
	if len(next) > statusPage {
		next, out.More = next[:statusPage], true
	}
	for _, k := range next {
		s, _ := c.running[k].Status()
		out.Instances = append(out.Instances, instanceStatus{k, s})
	}
	return out
}

func (c *childProcess) secret(ref string) (string, error) {
	var value string
	err := c.peer.call(c.peer.ctx, callSecret, secretCall{ref}, &value)
	return value, err
}

// remoteCheckpoints keeps positions through the parent.
type remoteCheckpoints struct {
	peer *peer
	key  key
	log  *slog.Logger
}

func (r remoteCheckpoints) Load(ctx context.Context) ([]byte, error) {
	var out checkpointCall
	err := r.peer.call(ctx, callLoad, checkpointCall{Key: r.key}, &out)
	return out.Value, err
}

func (r remoteCheckpoints) Save(ctx context.Context, value []byte) error {
	r.log.Debug("phase begins", "phase", "position") // a kill between this line and the other fell into the phase; `make crash` counts them
	defer r.log.Debug("phase ended", "phase", "position")
	return r.peer.call(ctx, callSave, checkpointCall{Key: r.key, Value: value}, nil)
}

// remoteShared keeps what instances share through the parent.
type remoteShared struct {
	peer *peer
	key  key
}

func (r remoteShared) Load(ctx context.Context, name string) ([]byte, error) {
	var out sharedReply
	err := r.peer.call(ctx, callShared, sharedCall{Key: r.key, Name: name}, &out)
	return out.Value, err
}

func (r remoteShared) Swap(ctx context.Context, name string, old, new []byte) ([]byte, error) {
	var out sharedReply
	err := r.peer.call(ctx, callShared, sharedCall{Key: r.key, Name: name, Swap: true, Old: old, New: new}, &out)
	return out.Value, err
}
