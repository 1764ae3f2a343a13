package load

import (
	"bytes"
	"net"
	"testing"
	"time"
)

// silent takes what is written to it.
type silent struct {
	net.Conn
	got bytes.Buffer
}

func (s *silent) Write(b []byte) (int, error) { return s.got.Write(b) }

func TestNATSAcknowledgements(t *testing.T) {
	p := &natsProducer{frame: []byte("PUB bench _INBOX.bench.0000000000 1\r\nx\r\n"), at: 23}
	p.number(p.frame, 1234567)
	if want := "PUB bench _INBOX.bench.0001234567 1\r\nx\r\n"; string(p.frame) != want {
		t.Errorf("%q", p.frame)
	}
	nc := &silent{}
	stream := []byte("INFO {}\r\nPING\r\nMSG _INBOX.bench.0001234567 1 5\r\n{\"a\"}\r\nMSG _INBOX.bench.0001234568 1 9\r\n{\"error\"")
	var got []uint64
	for {
		n, err := p.acked(stream, nc, func(sequence uint64) { got = append(got, sequence) })
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		stream = stream[n:]
	}
	if len(got) != 1 || got[0] != 1234567 || nc.got.String() != "PONG\r\n" {
		t.Errorf("%v, answered %q", got, nc.got.String())
	}
	if _, err := p.acked(append(stream, "}\r\n"...), nc, nil); err == nil {
		t.Error("a refused entry counts as acknowledged")
	}
}

func FuzzCutNATS(f *testing.F) {
	f.Add([]byte("MSG a 1 5\r\nhello\r\n"))
	f.Add([]byte("INFO {}\r\n"))
	f.Add([]byte("MSG a 1 1048575\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, _, n, err := cutNATS(b, &silent{}); err == nil && (n < 0 || n > len(b)) {
			t.Errorf("%d of %d bytes", n, len(b))
		}
	})
}

func TestSettledLeavesOutTheFirstQuarter(t *testing.T) {
	var answers []Answer
	for i := range 8 {
		answers = append(answers, Answer{At: time.Duration(i) * time.Second})
	}
	if got := settled(answers, 8*time.Second); len(got) != 6 || got[0].At != 2*time.Second {
		t.Errorf("%v", got)
	}
	if got := settled(nil, time.Second); len(got) != 0 {
		t.Errorf("%v", got)
	}
}
