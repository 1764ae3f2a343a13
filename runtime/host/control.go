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
	"sync"

	"github.com/strobemq/strobe/internal/fault"
)

// A frame of the control protocol: a length of four bytes, big endian, and that many bytes of JSON. Both sides call and answer.
const maxFrame = 16 << 20

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
		return &remoteError{Code: f.Code, Detail: f.Detail, Fix: f.Fix}
	}
	return &remoteError{Detail: err.Error()}
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

	write sync.Mutex

	mu      sync.Mutex
	next    uint64
	waiting map[uint64]chan frame
	gone    bool

	done chan struct{} // the reader has ended
}

func newPeer(conn net.Conn, h handler) *peer {
	p := &peer{conn: conn, handle: h, slots: make(chan struct{}, maxCalls), waiting: map[uint64]chan frame{}, done: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	go p.read()
	return p
}

// call asks the other side and waits for its answer, which is decoded into out unless out is nil.
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
	if err := p.send(frame{ID: id, Method: method, Body: body}); err != nil {
		return errPeerGone
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

func (p *peer) send(f frame) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if len(text) > maxFrame {
		return fmt.Errorf("control frame of %d bytes, the limit is %d", len(text), maxFrame)
	}
	buf := make([]byte, 4, 4+len(text))
	binary.BigEndian.PutUint32(buf, uint32(len(text)))
	p.write.Lock()
	defer p.write.Unlock()
	_, err = p.conn.Write(append(buf, text...))
	return err
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
	_ = p.send(reply) // when it fails the reader sees the end too
}

// close ends the connection and joins everything. Idempotent.
func (p *peer) close() {
	p.conn.Close()
	<-p.done
	p.calls.Wait()
}
