package main

import (
	"fmt"
	"io"
	"slices"
	"testing"
)

// TestWatch feeds a log in pieces that are no lines: a phase that began and did not end is one that a kill fell into.
func TestWatch(t *testing.T) {
	w := newWatch(io.Discard)
	begun, forget := w.begins("table flush")
	defer forget()
	text := `time=2026-01-02T03:04:05.678Z level=DEBUG msg="phase begins" component=segment phase=roll segment=7
level=DEBUG msg="phase begins" phase="table flush"
level=INFO msg="about the phase" phase=seal
level=DEBUG msg="phase begins" ledger=a phase=cursor cursor=pulsar.dedup
level=DEBUG msg="phase begins" process=host phase=position
level=DEBUG msg="phase begins" phase=roll
level=DEBUG msg="phase ended" phase=trim
level=DEBUG msg="phase ended" phase=roll
level=DEBUG msg="phase ended" phase="table flush"
level=DEBUG msg="phase begins" phase=se`
	for i := 0; i < len(text); i += 10 {
		fmt.Fprint(w, text[i:min(i+10, len(text))])
	}
	select {
	case <-begun:
	default:
		t.Error("nobody was told that a phase began")
	}
	for _, x := range []struct {
		of   func(string) bool
		want []string
	}{
		{func(p string) bool { return p == "host/position" }, []string{"host/position"}},
		{nil, []string{dedupSnapshot, "roll"}},
		{nil, nil},
	} {
		got := w.killed(x.of)
		slices.Sort(got)
		if !slices.Equal(got, x.want) {
			t.Errorf("killed in %q, want %q", got, x.want)
		}
	}
}
