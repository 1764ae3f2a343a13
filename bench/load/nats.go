package load

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// The text protocol of NATS, as far as a publisher to JetStream needs it. Every message names a reply subject with its number in it, and
// the server's acknowledgement comes there:
//
//	PUB bench _INBOX.bench.0000000123 1024 CRLF payload CRLF
//	MSG _INBOX.bench.0000000123 1 31 CRLF {"stream":"bench", "seq":124} CRLF
const (
	natsInbox  = "_INBOX.bench."
	natsDigits = 10

	// natsPatience is how long a request may take: a cluster whose servers have not found each other yet answers none.
	natsPatience = 2 * time.Second

	crlf = "\r\n"
)

// natsConn is one connection, after CONNECT, with a subscription to the inbox.
type natsConn struct {
	nc   net.Conn
	rest []byte
}

func dialNATS(ctx context.Context, addr string) (*natsConn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &natsConn{nc: nc}
	_, err = nc.Write([]byte(`CONNECT {"verbose":false,"pedantic":false,"name":"strobe bench"}` + crlf + "SUB " + natsInbox + "* 1" + crlf))
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// ask sends a request to the JetStream interface and decodes the answer.
func (c *natsConn) ask(subject, body string, answer any) error {
	if err := c.nc.SetDeadline(time.Now().Add(natsPatience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(c.nc, "PUB %s %sask %d"+crlf+"%s"+crlf, subject, natsInbox, len(body), body); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		_, payload, n, err := cutNATS(c.rest, c.nc)
		if err != nil {
			return err
		}
		if n == 0 {
			k, err := c.nc.Read(buf)
			if err != nil {
				return err
			}
			c.rest = append(c.rest, buf[:k]...)
			continue
		}
		c.rest = c.rest[n:]
		if payload != nil {
			if err := c.nc.SetDeadline(time.Time{}); err != nil {
				return err
			}
			return json.Unmarshal(payload, answer)
		}
	}
}

// NATSStream makes a stream of so many replicas on disk at the server of addr, if there is none yet, and returns the name of the server that
// leads it; empty while none does.
func NATSStream(ctx context.Context, addr string, replicas int) (leader string, err error) {
	c, err := dialNATS(ctx, addr)
	if err != nil {
		return "", err
	}
	defer c.nc.Close()
	var answer struct {
		Error   *struct{ Description string }
		Cluster struct{ Leader string }
	}
	config := fmt.Sprintf(`{"name":"bench","subjects":["bench"],"storage":"file","num_replicas":%d,"retention":"limits","discard":"old","max_bytes":%d}`, replicas, 1<<30)
	if err := c.ask("$JS.API.STREAM.CREATE.bench", config, &answer); err != nil {
		return "", err
	}
	if answer.Error != nil {
		return "", errors.New(answer.Error.Description)
	}
	return answer.Cluster.Leader, nil
}

// NewNATSProducer makes a producer of single messages to the stream of NATSStream.
func NewNATSProducer(ctx context.Context, addr string, shape Shape) (*Producer, error) {
	if shape.Messages != 1 {
		return nil, errors.New("JetStream has no batches")
	}
	c, err := dialNATS(ctx, addr)
	if err != nil {
		return nil, err
	}
	p := &natsProducer{}
	head := "PUB bench " + natsInbox
	p.at = len(head)
	p.frame = fmt.Appendf(nil, "%s%0*d %d"+crlf+"%s"+crlf, head, natsDigits, 0, shape.Size, Payload(shape.Size))
	return newProducer(c.nc, p, shape, 0, c.rest), nil
}

type natsProducer struct {
	frame []byte
	at    int
}

func (p *natsProducer) entry() []byte { return p.frame }

func (p *natsProducer) number(frame []byte, sequence uint64) {
	b := frame[p.at : p.at+natsDigits]
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + sequence%10)
		sequence /= 10
	}
}

func (p *natsProducer) acked(b []byte, nc net.Conn, ack func(uint64)) (int, error) {
	subject, payload, n, err := cutNATS(b, nc)
	if err != nil || payload == nil {
		return n, err
	}
	if bytes.Contains(payload, []byte(`"error"`)) {
		return 0, fmt.Errorf("entry refused: %s", payload)
	}
	sequence := uint64(0)
	for _, d := range bytes.TrimPrefix(subject, []byte(natsInbox)) {
		sequence = sequence*10 + uint64(d-'0')
	}
	ack(sequence)
	return n, nil
}

// cutNATS cuts what the server sent first in b; n is its length, or 0 when b does not hold all of it. payload is nil for what is no message;
// a PING is answered.
func cutNATS(b []byte, nc net.Conn) (subject, payload []byte, n int, err error) {
	end := bytes.Index(b, []byte(crlf))
	if end < 0 {
		return nil, nil, 0, nil
	}
	line := b[:end]
	n = end + len(crlf)
	switch kind, rest, _ := bytes.Cut(line, []byte(" ")); string(kind) {
	case "MSG":
		subject, rest, _ = bytes.Cut(rest, []byte(" "))
		size, err := strconv.ParseUint(string(rest[bytes.LastIndexByte(rest, ' ')+1:]), 10, 20)
		if err != nil {
			return nil, nil, 0, fmt.Errorf("the server sent %q", line)
		}
		if len(b) < n+int(size)+len(crlf) {
			return nil, nil, 0, nil
		}
		return subject, b[n : n+int(size)], n + int(size) + len(crlf), nil
	case "PING":
		_, err := nc.Write([]byte("PONG" + crlf))
		return nil, nil, n, err
	case "INFO", "PONG", "+OK":
		return nil, nil, n, nil
	}
	return nil, nil, 0, fmt.Errorf("the server sent %q", line)
}
