package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
)

// helloTime is how long a new child may take to answer.
const helloTime = 30 * time.Second

// errClosed refuses what is asked of a launcher that has ended.
var errClosed = errors.New("the launcher is closed")

// statusAge is how old a status may be before it is asked for again: nothing is polled while nobody looks.
const statusAge = 200 * time.Millisecond

// Options of a Launcher.
type Options struct {
	Command  []string // how to start the child: the program and its arguments
	Settings Settings
	Log      *slog.Logger
	Stderr   *os.File // of the child; nil: this process's

	// LoadCheckpoint and SaveCheckpoint keep the positions of sources and functions; name is that of the instance.
	LoadCheckpoint func(ctx context.Context, kind functions.Kind, name functions.FQName, index int) ([]byte, error)
	SaveCheckpoint func(ctx context.Context, kind functions.Kind, name functions.FQName, index int, value []byte) error
	// LoadShared returns a value that the instances of a deployment share, nil when there is none. SwapShared replaces it if it is old (nil: absent), durably, and
	// returns the value it then has.
	LoadShared func(ctx context.Context, kind functions.Kind, name functions.FQName, key string) ([]byte, error)
	SwapShared func(ctx context.Context, kind functions.Kind, name functions.FQName, key string, old, new []byte) ([]byte, error)
	// Secret resolves a reference against the allow-list.
	Secret func(ref string) (string, error)

	JudgeTime time.Duration // for judging a module; 0: DefaultJudgeTime
}

// Launcher starts instances in a child process, and the child with the first of them. When the child dies all its instances
// end; the next Start begins a new child.
type Launcher struct {
	o   Options
	run struct {
		sync.Mutex
		next uint64
	}

	mu     sync.Mutex // guards child and closed; held while a child starts
	child  *child
	closed bool

	judges judges
}

// NewLauncher starts nothing yet.
func NewLauncher(o Options) *Launcher {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stderr == nil {
		o.Stderr = os.Stderr
	}
	if o.JudgeTime <= 0 {
		o.JudgeTime = DefaultJudgeTime
	}
	l := &Launcher{o: o}
	l.judges.one = make(chan struct{}, 1)
	return l
}

// Start implements functions.Launcher. It takes as long as the instance takes to be built, which for a large module is long; ctx is for giving up
// together with the launcher, because an instance whose start nobody waits for any more may still come to life in the child.
func (l *Launcher) Start(ctx context.Context, in functions.Instance) (functions.Handle, error) {
	c, err := l.running(ctx)
	if err != nil {
		return nil, err
	}
	l.run.Lock()
	l.run.next++
	k := key{Kind: in.Spec.Kind, Name: in.Spec.FQName, Index: in.Index, Run: l.run.next}
	l.run.Unlock()
	h := &handle{child: c, key: k, done: make(chan struct{})}
	h.last = functions.Status{Instance: in.Index, Generation: in.Spec.Generation, State: functions.StateStarting, Since: time.Now()}
	if !c.add(h) {
		return nil, errPeerGone
	}
	if err := c.peer.call(ctx, callStart, startCall{k, in}, nil); err != nil {
		c.end(k, nil)
		return nil, err
	}
	c.ask.Lock()
	c.asked = time.Time{} // what was asked before knows nothing of this instance
	c.ask.Unlock()
	return h, nil
}

// PID is the child's process id, 0 while there is none.
func (l *Launcher) PID() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.child == nil || l.child.isGone() {
		return 0
	}
	return l.child.cmd.Process.Pid
}

func (l *Launcher) running(ctx context.Context) (*child, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if l.child != nil && !l.child.isGone() {
		return l.child, nil
	}
	c, err := l.spawn(ctx)
	if err != nil {
		return nil, err
	}
	l.child = c
	return c, nil
}

func (l *Launcher) spawn(ctx context.Context) (*child, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fault.ProcessHost.New("control socket: %w", err)
	}
	defer theirs.Close()
	cmd := exec.Command(l.o.Command[0], l.o.Command[1:]...)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = l.o.Stderr
	cmd.SysProcAttr = childAttr()
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, fault.ProcessHost.New("starting %s: %w", l.o.Command[0], err)
	}
	c := &child{launcher: l, cmd: cmd, handles: map[key]*handle{}, gone: make(chan struct{})}
	c.peer = newPeer(ours, c.answer)
	go c.wait()
	ctx, cancel := context.WithTimeout(ctx, helloTime)
	defer cancel()
	if err := c.peer.call(ctx, callHello, l.o.Settings, nil); err != nil {
		c.kill()
		return nil, fault.ProcessHost.New("the child did not answer: %w", err)
	}
	return c, nil
}

// Close ends the child; instances that are still running are cut off, so stop them first. Idempotent.
func (l *Launcher) Close() error {
	l.mu.Lock()
	l.closed = true
	c := l.child
	l.mu.Unlock()
	if c != nil {
		c.kill()
	}
	l.judges.close()
	return nil
}

// child is one life of the child process.
type child struct {
	launcher *Launcher
	cmd      *exec.Cmd
	peer     *peer
	gone     chan struct{} // the process has ended and all handles are done

	mu      sync.Mutex
	handles map[key]*handle
	ended   bool

	ask   sync.Mutex // one status call at a time
	asked time.Time
}

func (c *child) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// wait joins the process and ends every handle.
func (c *child) wait() {
	<-c.peer.done
	_ = c.cmd.Process.Kill() // the socket has ended: whatever still runs there has nobody to answer to
	err := c.cmd.Wait()
	c.peer.close()
	c.mu.Lock()
	c.ended = true
	handles := c.handles
	c.handles = nil
	c.mu.Unlock()
	if len(handles) > 0 {
		c.launcher.o.Log.Warn("the host process ended with instances running", "instances", len(handles), "exit", fmt.Sprint(err))
	}
	for _, h := range handles {
		h.finish(nil)
	}
	close(c.gone)
}

// kill ends the process by closing the control socket, and joins it.
func (c *child) kill() {
	c.peer.conn.Close()
	<-c.gone
}

func (c *child) add(h *handle) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.handles[h.key] = h
	return true
}

func (c *child) end(k key, last *functions.Status) {
	c.mu.Lock()
	h := c.handles[k]
	delete(c.handles, k)
	c.mu.Unlock()
	if h != nil {
		h.finish(last)
	}
}

// answer serves the child's calls.
func (c *child) answer(ctx context.Context, method string, body json.RawMessage) (any, error) {
	o := &c.launcher.o
	switch method {
	case callEnded:
		var in instanceStatus
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		c.end(in.Key, &in.Status)
		return nil, nil
	case callLoad, callSave:
		var in checkpointCall
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		k := in.Key
		if method == callLoad {
			value, err := o.LoadCheckpoint(ctx, k.Kind, k.Name, k.Index)
			return checkpointCall{Key: k, Value: value}, err
		}
		h := c.handle(k)
		if h == nil {
			return nil, errEnded
		}
		return nil, h.save(func() error { return o.SaveCheckpoint(ctx, k.Kind, k.Name, k.Index, in.Value) })
	case callShared:
		var in sharedCall
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return c.shared(ctx, in)
	case callSecret:
		var in secretCall
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, err
		}
		return o.Secret(in.Ref)
	}
	return nil, fmt.Errorf("unknown call %s", method)
}

// handle is that of a running instance, or nil.
func (c *child) handle(k key) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handles[k]
}

func (c *child) shared(ctx context.Context, in sharedCall) (out sharedReply, err error) {
	o, k := &c.launcher.o, in.Key
	if !in.Swap {
		out.Value, err = o.LoadShared(ctx, k.Kind, k.Name, in.Name)
		return out, err
	}
	h := c.handle(k)
	if h == nil {
		return out, errEnded
	}
	err = h.save(func() error {
		out.Value, err = o.SwapShared(ctx, k.Kind, k.Name, in.Name, in.Old, in.New)
		return err
	})
	return out, err
}

// refresh asks the child for all statuses unless they are fresh.
func (c *child) refresh() {
	c.ask.Lock()
	defer c.ask.Unlock()
	if time.Since(c.asked) < statusAge {
		return
	}
	for after, more := uint64(0), true; more; {
		var reply statusReply
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := c.peer.call(ctx, callStatus, statusCall{after}, &reply)
		cancel()
		if err != nil {
			break // busy or gone: the last known has to do, and whoever asks next does not wait as long
		}
		for _, s := range reply.Instances {
			if h := c.handle(s.Key); h != nil {
				h.set(s.Status)
			}
			after = max(after, s.Key.Run)
		}
		more = reply.More && len(reply.Instances) > 0
	}
	c.asked = time.Now()
}

// handle is one started instance.
type handle struct {
	child *child
	key   key
	done  chan struct{}

	saving sync.Mutex // held while a position is saved: the end waits for it

	mu       sync.Mutex
	last     functions.Status
	finished bool
	known    bool // the end was reported by the child, so last is its last word
}

func (h *handle) set(s functions.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.finished {
		h.last = s
	}
}

// errEnded refuses what an instance that has ended asks for.
var errEnded = errors.New("the instance has ended")

// save saves a position unless the instance has ended: what comes after an end, or removes the positions, finds nothing under way.
func (h *handle) save(do func() error) error {
	h.saving.Lock()
	defer h.saving.Unlock()
	h.mu.Lock()
	finished := h.finished
	h.mu.Unlock()
	if finished {
		return errEnded
	}
	return do()
}

func (h *handle) finish(last *functions.Status) {
	h.saving.Lock()
	defer h.saving.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.finished {
		return
	}
	h.finished = true
	if last != nil {
		h.last, h.known = *last, true
	}
	close(h.done)
}

// Status implements functions.Handle. After the end ok says whether the instance itself told how it ended.
func (h *handle) Status() (functions.Status, bool) {
	select {
	case <-h.done:
	default:
		h.child.refresh()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last, !h.finished || h.known
}

func (h *handle) Done() <-chan struct{} { return h.done }

// Stop implements functions.Handle.
func (h *handle) Stop(ctx context.Context) error {
	drain := 10 * time.Second
	if deadline, ok := ctx.Deadline(); ok {
		drain = time.Until(deadline)
	}
	err := h.child.peer.call(ctx, callStop, stopCall{h.key, drain}, nil)
	if err != nil && !errors.Is(err, errPeerGone) {
		return err
	}
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fileConn turns a socket's file into a connection and closes the file.
func fileConn(f *os.File) (net.Conn, error) {
	defer f.Close()
	return net.FileConn(f)
}
