package host

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// A frame of the control protocol: a length of four bytes, big endian, and that many bytes of JSON. Both sides call and answer. Whoever sends keeps
// to the limit: what is larger is refused where it comes from, since the other side could only end the connection, and with it every instance.
const maxFrame = 16 << 20

// writeTime is how long the other side may take no bytes before it is given up. It reads on a goroutine that does nothing else.
const writeTime = 30 * time.Second

// maxDetail is how much text of an error goes over the socket.
const maxDetail = 64 << 10

// maxCalls is how many calls of the other side are worked on at once.
const maxCalls = 64

type frame struct {
	ID     uint64          `json:"id"`
	Method string          `json:"method,omitempty"` // of a call; empty in an answer
	Body   json.RawMessage `json:"body,omitempty"`
	Error  *remoteError    `json:"error,omitempty"`
}

// remoteError carries an error over the socket: a fault keeps its code.
type remoteError struct {
	Code   string `json:"code,omitempty"`
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

func toRemote(err error) *remoteError {
	if f, ok := fault.Of(err); ok {
		return &remoteError{Code: f.Code, Detail: cut(f.Detail), Fix: f.Fix}
	}
	return &remoteError{Detail: cut(err.Error())}
}

func cut(text string) string {
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "") + " …"
	}
	return text
}

func (e *remoteError) err() error {
	if f, ok := fault.Lookup(e.Code); ok {
		return &fault.Error{Fault: f, Detail: e.Detail, Fix: e.Fix}
	}
	return errors.New(e.Detail)
}

// errPeerGone: the process at the other end has ended.
var errPeerGone = errors.New("the process at the other end of the control socket has ended")

// handler answers the calls of the other side; it is called on a goroutine of its own.
type handler func(ctx context.Context, method string, body json.RawMessage) (any, error)

// peer is one end of the control socket.
type peer struct {
	conn   net.Conn
	handle handler
	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	calls  sync.WaitGroup
	slots  chan struct{}

	writer    chan struct{} // holds a token while nobody writes
	writeTime time.Duration

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan frame
	gone    bool

	done chan struct{} // the reader has ended
}

func newPeer(conn net.Conn, h handler) *peer {
	p := &peer{conn: conn, handle: h, slots: make(chan struct{}, maxCalls), writer: make(chan struct{}, 1), writeTime: writeTime,
		waiting: map[uint64]chan frame{}, done: make(chan struct{})}
	p.writer <- struct{}{}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.read()
	return p
}

// call asks the other side and waits for its answer, which is decoded into out unless out is nil. errPeerGone when there is no other side any more, a
// fault.ProcessControl when what is to be said, or the answer, is too large.
func (p *peer) call(ctx context.Context, method string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	answer := make(chan frame, 1)
	p.mu.Lock()
	if p.gone {
		p.mu.Unlock()
		return errPeerGone
	}
	p.next++
	id := p.next
	p.waiting[id] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, id)
		p.mu.Unlock()
	}()
	if err := p.send(ctx, frame{ID: id, Method: method, Body: body}); err != nil {
		return err
	}
	select {
	case f, ok := <-answer:
		if !ok {
			return errPeerGone
		}
		if f.Error != nil {
			return f.Error.err()
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(f.Body, out)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send writes a frame. An error that is no fault means that the connection has ended, or ctx before anything was written.
func (p *peer) send(ctx context.Context, f frame) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if len(text) > maxFrame {
		what := f.Method
		if what == "" {
			what = "answer"
		}
		return fault.ProcessControl.New("%s of %d bytes; the limit is %d", what, len(text), maxFrame)
	}
	buf := make([]byte, 4, 4+len(text))
	binary.BigEndian.PutUint32(buf, uint32(len(text)))
	select {
	case <-p.writer:
	case <-p.ctx.Done():
		return errPeerGone
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p.writer <- struct{}{} }()
	err = p.conn.SetWriteDeadline(time.Now().Add(p.writeTime))
	if err == nil {
		_, err = p.conn.Write(append(buf, text...))
	}
	if err != nil {
		p.conn.Close() // a frame may be cut in two; and a process that takes nothing is as good as gone
		return errPeerGone
	}
	return nil
}

func (p *peer) read() {
	defer close(p.done)
	r := bufio.NewReader(p.conn)
	for {
		f, err := readFrame(r)
		if err != nil {
			break
		}
		if f.Method == "" {
			p.mu.Lock()
			if answer, ok := p.waiting[f.ID]; ok {
				delete(p.waiting, f.ID)
				answer <- f
			}
			p.mu.Unlock()
			continue
		}
		// The wait for a slot is not the reader's: those who hold the slots may be waiting for answers that it has to read.
		p.calls.Go(func() {
			p.slots <- struct{}{}
			defer func() { <-p.slots }()
			p.answer(f)
		})
	}
	p.cancel()
	p.conn.Close()
	p.mu.Lock()
	p.gone = true
	for id, answer := range p.waiting {
		close(answer)
		delete(p.waiting, id)
	}
	p.mu.Unlock()
}

// readFrame reads one frame; an error means that the stream has ended or is out of step.
func readFrame(r io.Reader) (frame, error) {
	var f frame
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return f, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxFrame {
		return f, fmt.Errorf("control frame of %d bytes, the limit is %d", n, maxFrame)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return f, err
	}
	return f, json.Unmarshal(text, &f)
}

func (p *peer) answer(f frame) {
	reply := frame{ID: f.ID}
	out, err := p.handle(p.ctx, f.Method, f.Body)
	if err == nil && out != nil {
		reply.Body, err = json.Marshal(out)
	}
	if err != nil {
		reply.Body, reply.Error = nil, toRemote(err)
	}
	if err := p.send(p.ctx, reply); err != nil && fault.Has(err, fault.ProcessControl) {
		_ = p.send(p.ctx, frame{ID: f.ID, Error: toRemote(err)})
	} // any other error is the connection's end, which the reader sees too
}

// close ends the connection and joins everything. Idempotent.
func (p *peer) close() {
	p.conn.Close()
	<-p.done
	p.calls.Wait()
}
