package pipeline

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/strobemq/strobe/bench/load"
)

// Everything sent is acknowledged in order (the producer checks that) and delivered once, at the maximum and at a rate.
func TestDeliversWhatIsSent(t *testing.T) {
	for name, direct := range map[string]bool{"over TCP": false, "direct": true} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			p, err := Start(Options{File: filepath.Join(t.TempDir(), "journal"), Direct: direct})
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			shape := load.Shape{Messages: 5, Size: 100}
			c, err := load.NewPipelineConsumer(ctx, p.Addr, shape)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			out, err := load.NewPipelineProducer(ctx, p.Addr, shape)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			r, err := out.Closed(ctx, 64, 200*time.Millisecond)
			if err != nil || r.Entries == 0 || r.Messages < 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			answers, err := out.Open(ctx, time.Millisecond, 200*time.Millisecond)
			if err != nil || len(answers) < 140 || len(answers) > 151 {
				t.Fatalf("%d answers, %v", len(answers), err)
			}
			if err := out.Fill(ctx, 10, 100); err != nil {
				t.Fatal(err)
			}
			sent, acked := out.Counts()
			if sent != acked {
				t.Errorf("%d sent, %d acknowledged", sent, acked)
			}
			got, err := c.Wait(ctx, sent*5)
			if err != nil || got.Entries != sent || got.Bytes != sent*500 {
				t.Errorf("delivered %+v of %d entries, %v", got, sent, err)
			}
		})
	}
}

// The file is overwritten from its start when it is full.
func TestGoesRoundTheFile(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 300 MB")
	}
	p, err := Start(Options{File: filepath.Join(t.TempDir(), "journal"), Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out, err := load.NewPipelineProducer(t.Context(), p.Addr, load.Shape{Messages: 1, Size: 900 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := out.Fill(t.Context(), 8, 330); err != nil {
		t.Fatal(err)
	}
	if p.journal.at >= fileSize {
		t.Errorf("at %d of %d", p.journal.at, fileSize)
	}
}
