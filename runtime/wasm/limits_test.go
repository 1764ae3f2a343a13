package wasm

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// A module that would take a lot to compile is refused before anything is made of it.
func TestModulesThatAreTooLarge(t *testing.T) {
	head := []byte{0, 'a', 's', 'm', 1, 0, 0, 0}
	raw := func(id byte, body []byte) []byte { return cat(head, []byte{id}, uleb(uint64(len(body))), body) }
	function := func(body []byte) []byte { return cat(uleb(uint64(len(body))), body) }
	locals := function(cat([]byte{1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f}, []byte{0x0b}))
	for name, c := range map[string]struct {
		module []byte
		detail string
	}{
		"the file":        {cat(head, make([]byte, maxModule)), "may have 64 MiB"},
		"types":           {raw(1, make([]byte, 1<<20+1)), "section 1 has"},
		"elements":        {raw(9, make([]byte, 4<<20+1)), "section 9 has"},
		"a function":      {raw(10, cat([]byte{1}, function(make([]byte, maxBody+1)))), "a function has 1.0 MiB"},
		"local variables": {raw(10, cat([]byte{1}, locals)), "local variables"},
		"locals together": {raw(10, cat([]byte{200, 1}, bytes.Repeat(function([]byte{1, 0xd0, 0x86, 0x03, 0x7f, 0x0b}), 200))), "local variables"},
		"data segments":   {raw(11, cat(uleb(maxData+1), make([]byte, maxData+1))), "65537 data segments"},
	} {
		_, err := testEngine.Validate(t.Context(), c.module, 0)
		if !fault.Has(err, fault.FunctionTooLarge) || !strings.Contains(err.Error(), c.detail) {
			t.Errorf("%s: %v, want %q", name, err, c.detail)
		}
	}
	for _, m := range [][]byte{echoGuest, unrulyGuest, good().bytes(), head, nil} {
		if err := checkLimits(m); err != nil {
			t.Error(err)
		}
	}
}

// Initialising ends at a deadline too, and is bounded in memory and calls.
func TestGuestsThatMisbehaveAtTheStart(t *testing.T) {
	loop := []byte{0x03, 0x40, 0x0c, 0, 0x0b}
	for name, c := range map[string]struct {
		change func(*handmade)
		detail string
	}{
		"a loop in _initialize":   {func(h *handmade) { h.initialize = loop }, "after 100ms"},
		"a loop in the start":     {func(h *handmade) { h.initialize, h.begins = loop, true }, "after 100ms"},
		"a crash in the start":    {func(h *handmade) { h.initialize, h.begins = []byte{0x00}, true }, "unreachable"},
		"recursion in the start":  {func(h *handmade) { h.initialize, h.begins = []byte{0x10, 3}, true }, fault.FunctionRecursion.Code},
		"memory without end":      {func(h *handmade) { h.initialize = []byte{0x03, 0x40, 0x41, 16, 0x40, 0, 0x1a, 0x0c, 0, 0x0b} }, "after 100ms"},
		"memory, then it crashes": {func(h *handmade) { h.initialize = []byte{0x41, 0xe4, 0x00, 0x40, 0, 0x1a, 0x00} }, "more than 1 MiB"},
	} {
		h := good()
		c.change(&h)
		_, err := testEngine.New(t.Context(), h.bytes(), Options{Deadline: 100 * time.Millisecond, StartTime: 100 * time.Millisecond, MemoryBytes: 1 << 20})
		if name == "recursion in the start" {
			_, err = testEngine.New(t.Context(), h.bytes(), Options{})
		}
		if !fault.Has(err, fault.FunctionStart) || !strings.Contains(err.Error(), c.detail) {
			t.Errorf("%s: %v, want %s with %q", name, err, fault.FunctionStart.Code, c.detail)
		}
	}
}

func FuzzCheckLimits(f *testing.F) {
	f.Add(good().bytes())
	f.Add([]byte{0, 'a', 's', 'm', 1, 0, 0, 0, 10, 8, 1, 6, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, module []byte) {
		if err := checkLimits(module); err != nil && !fault.Has(err, fault.FunctionTooLarge) {
			t.Error(err)
		}
	})
}
