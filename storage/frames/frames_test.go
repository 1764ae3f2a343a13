package frames

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/bkwire"
)

func TestMain(m *testing.M) {
	bk.PoisonSlabs(true)
	os.Exit(m.Run())
}

// stream is frames of the given sizes, each filled with its number.
func stream(sizes ...int) []byte {
	var s []byte
	for i, n := range sizes {
		s = binary.BigEndian.AppendUint32(s, uint32(n))
		s = append(s, bytes.Repeat([]byte{byte(i)}, n)...)
	}
	return s
}

// chopped reads at most n bytes at once.
type chopped struct {
	r io.Reader
	n func() int
}

func (c chopped) Read(p []byte) (int, error) { return c.r.Read(p[:min(len(p), c.n())]) }

// TestInCutsFrames however the bytes arrive, and keeps what is kept while it reads on.
func TestInCutsFrames(t *testing.T) {
	held := bk.SlabBytesInUse()
	sizes := []int{4, 5, 100, 4000, 4, 5000, 70, 300_000, 4, 4, 12, 262_144 - 4, 9, 65_536, 1 << 20, 4}
	for name, n := range map[string]func() int{
		"whole": func() int { return 1 << 30 }, "random": func() int { return 1 + rand.IntN(5000) }, "small": func() int { return 97 },
	} {
		for _, keep := range []int{0, 1, 3} { // of three frames
			in := NewIn(1 << 20)
			r := chopped{iotest.DataErrReader(bytes.NewReader(stream(sizes...))), n}
			var kept []bk.Buf
			got := 0
			var err error
			for ; err == nil; err = in.Fill(r) {
				for {
					frame, err := in.Next()
					if err != nil {
						t.Fatal(err)
					}
					if frame == nil {
						break
					}
					if len(frame) != sizes[got] || bytes.Count(frame, []byte{byte(got)}) != len(frame) {
						t.Fatalf("%s: frame %d of %d bytes, want %d", name, got, len(frame), sizes[got])
					}
					if got%3 < keep {
						kept = append(kept, in.Keep(1, len(frame)))
					}
					got++
				}
			}
			if !errors.Is(err, io.EOF) || got != len(sizes) {
				t.Errorf("%s: %d frames of %d, %v", name, got, len(sizes), err)
			}
			in.Release()
			i := 0
			for _, b := range kept {
				for i%3 >= keep {
					i++
				}
				if bytes.Count(b.B, []byte{byte(i)}) != sizes[i]-1 {
					t.Errorf("%s: what was kept of frame %d has changed", name, i)
				}
				i++
				b.Release()
			}
		}
	}
	if left := bk.SlabBytesInUse() - held; left != 0 {
		t.Errorf("%d bytes of slabs are left", left)
	}
}

// TestInRefusesLengths: a length that cannot be is told without memory for it, and so is one that is only announced.
func TestInRefusesLengths(t *testing.T) {
	for _, length := range []uint32{0, 3, 1001, 1 << 31, 0xffffffff} {
		in := NewIn(1000)
		if err := in.Fill(bytes.NewReader(binary.BigEndian.AppendUint32(nil, length))); err != nil {
			t.Fatal(err)
		}
		if _, err := in.Next(); !errors.Is(err, bkwire.ErrFrameLength) {
			t.Errorf("%d: %v", length, err)
		}
		in.Release()
	}
	before := bk.SlabBytesInUse()
	in := NewIn(1 << 30)
	r := bytes.NewReader(binary.BigEndian.AppendUint32(nil, 1<<29))
	for in.Fill(r) == nil {
	}
	if grown := bk.SlabBytesInUse() - before; grown > maxSlab {
		t.Errorf("%d bytes for a frame of which nothing came", grown)
	}
	in.Release()
}

// TestInShrinks: a connection that was busy gives its large slab back when little comes.
func TestInShrinks(t *testing.T) {
	in := NewIn(1 << 20)
	defer in.Release()
	busy := bytes.NewReader(stream(bytesOf(4000, 1000)...))
	drain := func() {
		for {
			if f, err := in.Next(); f == nil {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	}
	for in.Fill(busy) == nil {
		drain()
	}
	if in.size != maxSlab {
		t.Errorf("slabs of %d bytes on a busy connection", in.size)
	}
	in.err = nil
	for range 10 * fewReads {
		if err := in.Fill(bytes.NewReader(stream(20))); err != nil {
			t.Fatal(err)
		}
		drain()
	}
	if in.size != minSlab {
		t.Errorf("slabs of %d bytes on an idle connection", in.size)
	}
}

func bytesOf(n, size int) []int {
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// TestOut: what is appended comes out in order, small by copy and large by reference, and no slab is left.
func TestOut(t *testing.T) {
	held := bk.SlabBytesInUse()
	here, there := net.Pipe()
	o := NewOut(1<<20, 0)
	var wrote error
	done := make(chan struct{})
	go func() { wrote = o.Write(here, time.Minute, nil); here.Close(); close(done) }()
	var want []byte
	got := make(chan []byte)
	go func() { b, _ := io.ReadAll(there); got <- b }()
	for i := range 500 {
		o.Lock()
		for _, n := range []int{1, 20, copyBelow - 1, copyBelow, 3 * copyBelow} {
			s := bk.NewSlab(n)
			b := s.Buf(0, n)
			for j := range b.B {
				b.B[j] = byte(i + n)
			}
			o.Commit(append(o.Room(2), byte(n), byte(i)))
			o.Payload(b)
			want = append(append(want, byte(n), byte(i)), b.B...)
			b.Release()
			s.Release()
		}
		if o.Unlock() {
			t.Fatal("overflow")
		}
	}
	o.Finish()
	<-done
	if b := <-got; !bytes.Equal(b, want) || wrote != nil {
		t.Errorf("%d bytes, want %d; %v", len(b), len(want), wrote)
	}
	o.Lock()
	o.Commit(append(o.Room(1), 1))
	o.Unlock() // too late: thrown away
	if left := bk.SlabBytesInUse() - held; left != 0 {
		t.Errorf("%d bytes of slabs are left", left)
	}
}

// TestOutStuck: a peer that does not read makes the Out full, then overflow, then time out; nothing is kept of it.
func TestOutStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := bk.SlabBytesInUse()
		here, there := net.Pipe()
		defer there.Close()
		o := NewOut(1000, 3000)
		ended := make(chan error, 1)
		drained := 0
		go func() { ended <- o.Write(here, time.Minute, func() { drained++ }) }()
		add := func(n int) bool {
			o.Lock()
			o.Commit(append(o.Room(n), make([]byte, n)...))
			return o.Unlock()
		}
		if add(600) || o.Full() {
			t.Error("full at 600 of 1000")
		}
		synctest.Wait()
		if add(600) || !o.Full() || o.Unwritten() != 1200 {
			t.Errorf("not full at %d of 1000", o.Unwritten())
		}
		if _, err := io.ReadFull(there, make([]byte, 1200)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if drained != 1 || o.Full() {
			t.Errorf("told %d times that there is room", drained)
		}
		if add(2000) {
			t.Error("overflow at 2000 of 3000")
		}
		synctest.Wait() // they are being written
		if add(900) || !add(900) || add(900) {
			t.Error("an overflow is told at 3000 bytes, once")
		}
		time.Sleep(2 * time.Minute)
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if left := bk.SlabBytesInUse() - held; left != 0 || o.Unwritten() != 0 {
			t.Errorf("%d bytes of slabs are left, %d bytes unwritten", left, o.Unwritten())
		}
	})
}

// TestPacedOutput: what comes from those who asked Full first makes the Out full and never overflow; an answer behind it neither.
func TestPacedOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		defer there.Close()
		o := NewOut(1000, 3000)
		ended := make(chan error, 1)
		go func() { ended <- o.Write(here, time.Minute, nil) }()
		const paced = 20
		for range paced {
			o.Lock()
			o.Commit(append(o.Room(1000), make([]byte, 1000)...))
			o.UnlockPaced()
		}
		answer := func(n int) bool {
			o.Lock()
			o.Commit(append(o.Room(n), make([]byte, n)...))
			return o.Unlock()
		}
		if answer(3000) || !o.Full() || o.Unwritten() != paced*1000+3000 {
			t.Errorf("overflow with %d bytes unwritten, of which 3000 count", o.Unwritten())
		}
		if _, err := io.ReadFull(there, make([]byte, paced*1000+3000)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if answer(2000) || !answer(2000) {
			t.Error("what was written still counts, or what was not does not")
		}
		if err := <-ended; err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if o.Unwritten() != 0 {
			t.Errorf("%d bytes unwritten in the end", o.Unwritten())
		}
	})
}

func FuzzIn(f *testing.F) {
	f.Add(stream(4, 100, 5000), 7)
	f.Add(stream(4, 4, 4, 4), 1)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		if n <= 0 {
			return
		}
		in := NewIn(4096)
		defer in.Release()
		r := chopped{bytes.NewReader(data), func() int { return n }}
		total := 0
		for in.Fill(r) == nil {
			for {
				frame, err := in.Next()
				if err != nil {
					return
				}
				if frame == nil {
					break
				}
				if !bytes.Equal(frame, data[total+4:total+4+len(frame)]) {
					t.Fatalf("frame at %d differs", total)
				}
				total += 4 + len(frame)
			}
		}
	})
}
