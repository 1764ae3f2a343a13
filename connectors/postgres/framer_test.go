package postgres

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// pieces is a connection that gives its data in pieces of chosen lengths.
type pieces struct {
	net.Conn
	data    []byte
	lengths []byte // each + 1; around and around
	reads   int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := len(p.data)
	if len(p.lengths) > 0 {
		n = int(p.lengths[p.reads%len(p.lengths)]) + 1
	}
	p.reads++
	n = copy(b[:min(n, len(b))], p.data)
	p.data = p.data[n:]
	return n, nil
}

func message(kind byte, body []byte) []byte {
	m := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4))
	return append(m, body...)
}

// all reads every message of f.
func all(t *testing.T, f *framer) (kinds []byte, lengths []int) {
	t.Helper()
	for {
		fr, ok, err := f.next()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			kinds, lengths = append(kinds, fr.kind), append(lengths, len(fr.body)+fr.cut)
			continue
		}
		if err := f.fill(f.need()); err == io.EOF {
			return kinds, lengths
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFramerFindsMessagesInAnyPieces(t *testing.T) {
	sizes := []int{0, 1, 100, smallBuffer, 3, largeBuffer + 1, 5, maxFrame + 100, 7, 0}
	var data []byte
	for i, n := range sizes {
		data = append(data, message('a'+byte(i), make([]byte, n))...)
	}
	for _, lengths := range [][]byte{nil, {255}, {255, 0, 7}} {
		f := newFramer(&pieces{data: data, lengths: lengths})
		f.load.since = time.Now().Add(time.Hour) // no naps
		kinds, got := all(t, f)
		if string(kinds) != "abcdefghij" || !slices.Equal(got, sizes) {
			t.Errorf("pieces %v: messages %q of lengths %v", lengths, kinds, got)
		}
		if len(f.buf) > largeBuffer+100 {
			t.Errorf("the buffer is left with %d bytes", len(f.buf))
		}
	}
}

// While pgconn reads, it must never get a byte of a message behind the one it is at.
func TestFramerKeepsWhatIsBehind(t *testing.T) {
	first, second := message('R', []byte("hello")), message('W', []byte{1, 2, 3})
	stream := message('d', []byte("stream"))
	f := newFramer(&pieces{data: slices.Concat(first, second, stream)})
	buf := make([]byte, 8192)
	var seen [][]byte
	for range 2 {
		n, err := f.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, bytes.Clone(buf[:n]))
	}
	if !bytes.Equal(seen[0], first) || !bytes.Equal(seen[1], second) {
		t.Errorf("reads gave %q", seen)
	}
	if fr, ok, err := f.next(); !ok || err != nil || string(fr.body) != "stream" {
		t.Errorf("then came %q %v %v", fr.body, ok, err)
	}
}

func TestLoadIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l load
		pass := func(frames int, d time.Duration) bool {
			l.frames += frames
			time.Sleep(d)
			return l.heavy()
		}
		if l.heavy() || pass(100, time.Second) {
			t.Error("a hundred messages a second are load")
		}
		if !pass(1000, 10*time.Millisecond) {
			t.Error("a hundred thousand messages a second are no load")
		}
		if !pass(0, 50*time.Millisecond) {
			t.Error("a pause of 50 ms ends the load")
		}
		if pass(0, 51*time.Millisecond) {
			t.Error("a pause of 101 ms does not end the load")
		}
	})
}

func FuzzFramer(f *testing.F) {
	f.Add(slices.Concat(message('d', []byte("abc")), message('E', nil)), []byte{0, 5})
	f.Add([]byte{'d', 0xff, 0xff, 0xff, 0xff}, []byte{})
	f.Add([]byte{'d', 0, 0, 0, 3}, []byte{1})
	f.Fuzz(func(t *testing.T, data, lengths []byte) {
		fr := newFramer(&pieces{data: data, lengths: lengths})
		fr.load.since = time.Now().Add(time.Hour)
		total := 0
		for {
			m, ok, err := fr.next()
			if err != nil {
				return
			}
			if ok {
				total += frameHeader + len(m.body)
				if total > len(data) {
					t.Fatalf("%d bytes of messages in %d bytes", total, len(data))
				}
				continue
			}
			if n := fr.need(); n > maxFrame {
				t.Fatalf("needs %d bytes", n)
			} else if n > 1<<20 {
				return // would only allocate
			}
			if fr.fill(fr.need()) != nil {
				return
			}
		}
	})
}
