package server

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

// TestApacheClient plays what Apache's client sent to a bookie, one request after the other; the answers are, byte for byte, those that
// Apache's bookie gave. The last is a request of version 3 on a connection of version 2, which ends it.
func TestApacheClient(t *testing.T) {
	f, err := os.Open("testdata/apache-client-v2.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := serve(t, Options{}).dial()
	played := 0
	for s := bufio.NewScanner(f); s.Scan(); played++ {
		var r struct{ Dir, Proto, Hex string }
		if err := json.Unmarshal(s.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		frame, err := hex.DecodeString(r.Hex)
		if err != nil {
			t.Fatal(err)
		}
		if r.Dir == "client" {
			c.send(frame)
			if r.Proto == "v3" {
				c.ended()
			}
			continue
		}
		got, err := c.next()
		if err != nil || !bytes.Equal(got, frame) {
			t.Errorf("%s\nis answered with\n%x, %v", s.Text(), got, err)
		}
	}
	if played != 87 {
		t.Errorf("%d frames played", played)
	}
}

// TestAnswers has each code that a request can be answered with.
func TestAnswers(t *testing.T) {
	v := serve(t, Options{})
	c := v.dial()
	c.want(bk.OK, addFrame(0, ourKey, 7, 0, "a"))
	c.want(bk.ErrUnauthorized, addFrame(0, otherKey, 7, 1, "b"))
	c.want(bk.OK, addFrame(0, ourKey, 7, 1, "b"))
	c.want(bk.OK, addFrame(0, ourKey, 7, 1, "b")) // again
	if got := c.want(bk.OK, readFrame(0, 7, 1)); !bytes.Equal(got, entry(7, 1, "b")) {
		t.Errorf("read %q", got)
	}
	c.want(bk.ErrNoEntry, readFrame(0, 7, 2))
	c.want(bk.ErrNoLedger, readFrame(0, 8, 0))
	c.want(bk.ErrBadRequest, readFrame(0, 7, -5))
	c.want(bk.ErrBadRequest, addFrame(0, ourKey, 7, -1, "x"))
	c.want(bk.ErrBadVersion, with(addFrame(0, ourKey, 7, 2, "x"), 4, 3))
	c.want(bk.ErrBadVersion, with(readFrame(0, 7, 1), 4, 9))
	// A fence without a key, with a wrong one, and with the right one.
	bare := readFrame(bk.FlagFence, 7, bk.NoEntry)
	c.want(bk.ErrUnauthorized, with(bare[:24], 3, 20)) // none
	c.want(bk.ErrUnauthorized, bkwire.AppendRead(nil, bk.FlagFence, 7, bk.NoEntry, &otherKey))
	if got := c.want(bk.OK, bare); !bytes.Equal(got, entry(7, 1, "b")) {
		t.Errorf("last entry %q", got)
	}
	c.want(bk.ErrFenced, addFrame(0, ourKey, 7, 2, "c"))
	c.want(bk.OK, addFrame(bk.FlagRecoveryAdd|bk.FlagHighPriority, ourKey, 7, 2, "c"))
	// A ledger that was never seen is fenced all the same.
	c.want(bk.ErrNoEntry, readFrame(bk.FlagFence, 9, bk.NoEntry))
	c.want(bk.ErrFenced, addFrame(0, ourKey, 9, 0, "late"))
	// What the bookie may have lost is no absence; version 2 has no code for that.
	v.store.Lose(7, 1, true)
	c.want(bk.ErrIO, readFrame(0, 7, 1))
	v.store.SetReadOnly(errors.New("full"))
	c.want(bk.ErrReadOnly, addFrame(0, ourKey, 7, 3, "d"))
	c.send(append([]byte{0, 0, 0, 4}, 2, 3, 0, 0))
	if f, err := c.next(); err != nil || !strings.Contains(string(f), "AuthDisabledPlugin") {
		t.Errorf("AUTH is answered with %q, %v", f, err)
	}
	m := v.s.Metrics()
	for code, want := range map[bk.Code]int64{
		bk.OK: 6, bk.ErrUnauthorized: 3, bk.ErrFenced: 2, bk.ErrNoEntry: 2, bk.ErrNoLedger: 1, bk.ErrBadRequest: 2, bk.ErrBadVersion: 2, bk.ErrLimbo: 1,
		bk.ErrReadOnly: 1, bk.ErrIO: 0,
	} {
		if m.Answers[code] != want {
			t.Errorf("%d answers of %v counted, want %d", m.Answers[code], code, want)
		}
	}
}

// TestBadFrames: what is no request ends the connection, after what came before it was answered, and is counted. Others go on.
func TestBadFrames(t *testing.T) {
	add := addFrame(0, ourKey, 7, 1, "b")
	for name, c := range map[string]struct {
		bad   []byte
		count func(Metrics) int64
	}{
		"too long":       {[]byte{0, 80, 0x28, 1}, func(m Metrics) int64 { return m.BadLength }},
		"negative":       {[]byte{0xff, 0, 0, 0}, func(m Metrics) int64 { return m.BadLength }},
		"empty":          {[]byte{0, 0, 0, 0}, func(m Metrics) int64 { return m.BadLength }},
		"cut":            {append([]byte{0, 0, 0, 39}, add[4:4+39]...), func(m Metrics) int64 { return m.BadFrame }},
		"unknown opcode": {with(add, 5, 4), func(m Metrics) int64 { return m.BadOpcode }},
		"version 3":      {append([]byte{0, 0, 0, 13}, 0x0a, 0x06, 0x08, 0x03, 0x10, 0x07, 0x18, 0x02, 0xc2, 0x06, 0x02, 0x08, 0x67), func(m Metrics) int64 { return m.BadOpcode }},
	} {
		t.Run(name, func(t *testing.T) {
			v := serve(t, Options{})
			other, c2 := v.dial(), v.dial()
			other.want(bk.OK, addFrame(0, ourKey, 7, 0, "a"))
			c2.send(append(append(append([]byte{}, add...), readFrame(0, 7, 0)...), c.bad...))
			seen := map[bkwire.Op]bool{}
			for range 2 {
				a, _ := c2.answer()
				seen[a.Op] = a.Code == bk.OK
			}
			if !seen[bkwire.OpAdd] || !seen[bkwire.OpRead] {
				t.Error(seen)
			}
			c2.ended()
			other.want(bk.OK, readFrame(0, 7, 1))
			if n := c.count(v.s.Metrics()); n != 1 {
				t.Errorf("counted %d times", n)
			}
		})
	}
}

// TestHello: who looks for this bookie, or for none, is answered as by any bookie without authentication. Who looks for another one is turned
// away, and nothing behind that is done.
func TestHello(t *testing.T) {
	v := serve(t, Options{})
	c := v.dial()
	c.send(bkwire.AppendHello(nil, v.b.ID()))
	if f, err := c.next(); err != nil || !strings.Contains(string(f), "AuthDisabledPlugin") {
		t.Fatalf("answered with %q, %v", f, err)
	}
	c.want(bk.OK, addFrame(0, ourKey, 7, 0, "a"))
	c = v.dial()
	c.send(append(append(bkwire.AppendHello(nil, "another"), addFrame(0, ourKey, 7, 1, "b")...), readFrame(bk.FlagFence, 8, bk.NoEntry)...))
	c.ended()
	c = v.dial()
	c.want(bk.ErrNoEntry, readFrame(0, 7, 1))
	c.want(bk.OK, addFrame(0, ourKey, 8, 0, "not fenced"))
	if n := v.s.Metrics().OtherID; n != 1 {
		t.Errorf("counted %d times", n)
	}
}

// TestVersion3: a client of version 3 is told so and counted.
func TestVersion3(t *testing.T) {
	v := serve(t, Options{})
	c := v.dial()
	c.send([]byte{0, 0, 0, 13, 0x0a, 0x06, 0x08, 0x03, 0x10, 0x07, 0x18, 0x02, 0xc2, 0x06, 0x02, 0x08, 0x67})
	f, err := c.next()
	if want := "0000000b0a0608031007180210f703"; err != nil || hex.EncodeToString(f) != want {
		t.Errorf("%x, %v; want %s", f, err, want)
	}
	c.ended()
	if n := v.s.Metrics().Version3; n != 1 {
		t.Errorf("counted %d times", n)
	}
}

// TestBatchRead counts as interop §1.8 says: 36, and 4 more than its size for each entry; the first always comes.
func TestBatchRead(t *testing.T) {
	v := serve(t, Options{MaxBatch: 500})
	c := v.dial()
	for i := range int64(20) {
		if i != 15 {
			c.want(bk.OK, addFrame(0, ourKey, 7, i, "0123456789"))
		}
	}
	one := int64(len(entry(7, 0, "0123456789"))) // 46
	for _, b := range []struct {
		first int64
		count int32
		bytes int64
		want  int
	}{
		{0, 4, 1 << 20, 4}, {0, 1, 1 << 20, 1}, {3, 0, 36 + 3*(4+one), 3}, {3, -1, 36 + 3*(4+one) - 1, 2}, {3, 10, 0, 1}, {3, 10, -1, 1},
		{12, 10, 400, 3}, // to the gap
		{0, 0, 1 << 40, int((500 - 36) / (4 + one))}, {19, 1 << 30, 1 << 40, 1},
	} {
		c.send(bkwire.AppendBatchRead(nil, 0, 7, b.first, 42, b.count, b.bytes, &ourKey))
		r, frame := c.answer()
		if r.Code != bk.OK || r.ID != 42 || r.Entry != b.first {
			t.Errorf("%+v: %+v", b, r)
		}
		n := 0
		for at := r.Body; ; n++ {
			from, to, ok, err := bkwire.NextInBatch(frame, at)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if !bytes.Equal(frame[from:to], entry(7, b.first+int64(n), "0123456789")) {
				t.Errorf("%+v: entry %d is %x", b, n, frame[from:to])
			}
			at = to
		}
		if n != b.want {
			t.Errorf("%+v: %d entries", b, n)
		}
	}
	for _, b := range []struct {
		ledger, first int64
		want          bk.Code
	}{{7, 15, bk.ErrNoEntry}, {7, 20, bk.ErrNoEntry}, {8, 0, bk.ErrNoLedger}, {7, -2, bk.ErrBadRequest}, {7, 1<<63 - 1, bk.ErrNoEntry}} {
		c.send(bkwire.AppendBatchRead(nil, 0, b.ledger, b.first, 43, 10, 1000, &ourKey))
		if r, frame := c.answer(); r.Code != b.want || r.ID != 43 || r.Op != bkwire.OpBatchRead || len(frame) != r.Body {
			t.Errorf("%+v: %+v", b, r)
		}
	}
}

// TestReadsPassAdds: reads do not wait for adds that wait for the disk; fences do not wait for reads that wait for it.
func TestReadsPassAdds(t *testing.T) {
	v := serve(t, Options{ReadWorkers: 2, PriorityWorkers: 1, MaxReads: 5})
	c := v.dial()
	c.want(bk.OK, addFrame(0, ourKey, 7, 0, "a"))
	v.store.Hold()
	c.send(addFrame(0, ourKey, 7, 1, "b"))
	c.want(bk.OK, readFrame(0, 7, 0))
	v.store.Unhold()
	if r, _ := c.answer(); r.Op != bkwire.OpAdd || r.Code != bk.OK {
		t.Errorf("%+v", r)
	}
	open := v.store.shut()
	slow := v.dial()
	for range 2 {
		slow.send(readFrame(0, 7, 0))
		<-v.store.inside // both workers are at it
	}
	for range 5 {
		slow.send(readFrame(0, 7, 1))
	}
	slow.want(bk.ErrTooMany, readFrame(0, 7, 1))
	c.send(readFrame(bk.FlagFence, 8, 0)) // its fence, then its read, which is held up like all
	<-v.store.inside
	c.want(bk.ErrFenced, addFrame(0, ourKey, 8, 0, "c"))
	open()
	if r, _ := c.answer(); r.Op != bkwire.OpRead || r.Ledger != 8 {
		t.Errorf("%+v", r)
	}
	for range 7 {
		if r, _ := slow.answer(); r.Code != bk.OK {
			t.Errorf("%+v", r)
		}
	}
}

// TestFullQueue: adds above the bookie's cap are answered at once; those below it when they are durable.
func TestFullQueue(t *testing.T) {
	v := serve(t, Options{}) // 1 MiB
	c := v.dial()
	v.store.Hold()
	c.send(addFrame(0, ourKey, 7, 0, strings.Repeat("a", 1<<20-200)))
	c.want(bk.ErrTooMany, addFrame(0, ourKey, 7, 1, strings.Repeat("b", 200)))
	v.store.Unhold()
	if r, _ := c.answer(); r.Entry != 0 || r.Code != bk.OK {
		t.Errorf("%+v", r)
	}
}

// TestClientThatDoesNotRead: its reads wait when enough answers do; when too many bytes wait, or for too long, it is cut off.
func TestClientThatDoesNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		o    Options
		send func(*client)
	}{
		"too long": {Options{WriteTimeout: 50 * time.Millisecond}, func(c *client) { c.send(readFrame(0, 7, 0)) }},
		"too many": {Options{MaxOutput: 1000, MaxFrame: 200, MaxBatch: 1, ReadWorkers: 1, PriorityWorkers: 1}, func(c *client) {
			for i := int64(0); ; i++ {
				if _, err := c.nc.Write(addFrame(0, ourKey, 8, i, "x")); err != nil {
					return
				}
			}
		}},
	} {
		run(t, name, func(t *testing.T) {
			v := serve(t, c.o)
			v.dial().want(bk.OK, addFrame(0, ourKey, 7, 0, strings.Repeat("a", 100)))
			c.send(v.dial())
			time.Sleep(time.Minute)
			if m := v.s.Metrics(); m.Stuck != 1 || m.Connections != 1 {
				t.Errorf("%+v", m)
			}
		})
	}
	run(t, "reads wait", func(t *testing.T) {
		v := serve(t, Options{MaxOutput: 1000, ReadWorkers: 1})
		c := v.dial()
		c.want(bk.OK, addFrame(0, ourKey, 7, 0, strings.Repeat("a", 600)))
		for range 20 {
			c.send(readFrame(0, 7, 0))
		}
		synctest.Wait()
		// Two answers fill the output; a third read may have been queued for the worker before they did.
		if n := v.s.Metrics().WaitingReads; n < 17 || n > 18 {
			t.Errorf("%d reads wait", n)
		}
		for range 20 {
			if r, _ := c.answer(); r.Code != bk.OK {
				t.Errorf("%+v", r)
			}
		}
	})
}

// run is a subtest in fake time.
func run(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// TestCutAtEveryByte: of a stream that ends anywhere, the whole frames are done and nothing else; no buffer is left.
func TestCutAtEveryByte(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := serve(t, Options{})
		held := bk.SlabBytesInUse()
		var stream []byte
		var ends []int
		for i := range int64(4) {
			stream = append(stream, addFrame(0, ourKey, 1, i, "payload")...)
			ends = append(ends, len(stream))
		}
		for cut := range len(stream) + 1 {
			c := v.dial()
			ledger := byte(cut)
			s := bytes.Clone(stream)
			for at := 0; at < len(s); at += ends[0] {
				s[at+4+4+20+7] = ledger
			}
			c.send(s[:cut])
			whole := 0
			for whole < len(ends) && ends[whole] <= cut {
				if r, _ := c.answer(); r.Code != bk.OK || r.Entry != int64(whole) {
					t.Fatalf("cut at %d: %+v", cut, r)
				}
				whole++
			}
			c.nc.Close()
			synctest.Wait()
			if got := v.store.Entries(int64(ledger)); got != whole {
				t.Fatalf("cut at %d: %d entries stored, want %d", cut, got, whole)
			}
		}
		if left := bk.SlabBytesInUse() - held; left != 0 {
			t.Errorf("%d bytes of slabs are left", left)
		}
	})
}

// TestCloseAnswers: what came before Close is answered, and Close does not wait for clients that do not care.
func TestCloseAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := serve(t, Options{DrainTime: 100 * time.Millisecond})
		c, deaf := v.dial(), v.dial()
		v.store.Hold()
		c.send(addFrame(0, ourKey, 7, 0, "a"))
		deaf.send(addFrame(0, ourKey, 7, 1, "b"))
		closed := make(chan error, 1)
		go func() { closed <- v.s.Close() }()
		synctest.Wait()
		v.store.Unhold()
		if r, _ := c.answer(); r.Code != bk.OK {
			t.Errorf("%+v", r)
		}
		c.ended()
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if v.store.Entries(7) != 2 {
			t.Error("an add that was taken is not stored")
		}
	})
}

// TestBookieCloses under its server: connections end, nothing is answered wrongly.
func TestBookieCloses(t *testing.T) {
	v := serve(t, Options{})
	c := v.dial()
	c.want(bk.OK, addFrame(0, ourKey, 7, 0, "a"))
	v.b.Close()
	c.send(addFrame(0, ourKey, 7, 1, "b"))
	c.ended()
}

func TestTooManyConnections(t *testing.T) {
	v := serve(t, Options{MaxConns: 1})
	v.dial().want(bk.OK, addFrame(0, ourKey, 7, 0, "a"))
	v.dial().ended()
	if n := v.s.Metrics().TurnedAway; n != 1 {
		t.Errorf("counted %d times", n)
	}
}
