package wasm

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/internal/fault"
)

// Instructions: strobe_process calls itself with its first parameter less one, which begins as the address of the request, until that is 0.
func recursing() handmade {
	h := good()
	h.process = cat([]byte{0x20, 0, 0x45, 0x04, 0x7e, 0x42}, sleb(int64(h.reply)), []byte{0x05, 0x20, 0, 0x41, 1, 0x6b, 0x20, 1, 0x10, 2, 0x0b})
	return h
}

// endless calls itself with the same parameters.
func endless() handmade {
	h := good()
	h.process = []byte{0x20, 0, 0x20, 1, 0x10, 2}
	return h
}

// Guests that call themselves without end fail alone, two at a time, each with its code, and a new one takes their place.
func TestRecursion(t *testing.T) {
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			p, err := testEngine.New(t.Context(), endless().bytes(), Options{Deadline: time.Minute})
			if err != nil {
				t.Error(err)
				return
			}
			defer p.Close()
			if _, _, err := p.Process(t.Context(), records("x")); !fault.Has(err, fault.FunctionRecursion) {
				t.Errorf("%v", err)
			}
			if _, _, err := p.Process(t.Context(), nil); !fault.Has(err, fault.FunctionRecursion) || p.Metrics().Starts.Load() != 2 {
				t.Errorf("the next guest: %v", err)
			}
		})
	}
	both.Wait()
}

// A guest in Go keeps a stack in its own memory, which ends first.
func TestRecursionInGo(t *testing.T) {
	p, _ := unruly(t, Options{Deadline: time.Minute, MemoryBytes: 12 << 20})
	_, _, err := p.Process(t.Context(), records("recurse"))
	if !fault.Has(err, fault.FunctionMemory) {
		t.Errorf("%v", err)
	}
	mustProcess(t, p, records("echo a")...)
}

// The call stack that one deep call needed is not kept: it lies outside of the memory that the guest may have.
func TestADeepCallLeavesNoStackBehind(t *testing.T) {
	h := recursing()
	h.pages, h.buf = 17, 800_000
	p, err := testEngine.New(t.Context(), h.bytes(), Options{Deadline: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	for range 2 {
		if _, res, err := p.Process(t.Context(), records("x")); err != nil || res[0].Verdict != connectors.Accept {
			t.Fatalf("%v %v", res, err)
		}
	}
	if n := p.Metrics().Starts.Load(); n != 1 {
		t.Errorf("%d guests", n)
	}
	if kept := heap() - before; kept > 8<<20 {
		t.Errorf("%d bytes are kept", kept)
	}
}

// A flood of lines ends with the call, and the log keeps what it keeps of everybody; long lines are cut.
func TestFloodsAndLongLines(t *testing.T) {
	p, logs := unruly(t, Options{Deadline: 2 * time.Second})
	begun := time.Now()
	if _, _, err := p.Process(t.Context(), records("flood tick")); !fault.Has(err, fault.FunctionDeadline) {
		t.Errorf("%v", err)
	}
	most := lineBurst + int(time.Since(begun).Seconds()*lineRate) + 1
	if n := strings.Count(logs.String(), "msg=tick"); n < lineBurst || n > most {
		t.Errorf("%d lines came through, want %d to %d", n, lineBurst, most)
	}
	logs.Reset()
	p.logs.filled = p.logs.filled.Add(-time.Second)
	p.options.Deadline = time.Minute
	mustProcess(t, p, records("long")...)
	lines := strings.Split(strings.TrimSpace(logs.String()), "\n")
	if len(lines) < 3 {
		t.Fatalf("%d lines, the first %.200s", len(lines), lines[0])
	}
	for _, l := range lines[len(lines)-3:] {
		if len(l) < maxLine || len(l) > maxLine+100 {
			t.Errorf("a line of %d bytes", len(l))
		}
	}
}
