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
	for _, name := range []string{"over TCP", "direct", "two of three bookies"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			o := Options{File: filepath.Join(t.TempDir(), "journal"), Direct: name == "direct"}
			if name == "two of three bookies" {
				o = Options{AckQuorum: 2}
				for range 3 {
					b, err := StartBookie(filepath.Join(t.TempDir(), "journal"))
					if err != nil {
						t.Fatal(err)
					}
					defer b.Close()
					o.Bookies = append(o.Bookies, b.Addr)
				}
			}
			p, err := Start(o)
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
			if err != nil || len(answers) == 0 || len(answers) > 151 {
				t.Fatalf("%d answers, %v", len(answers), err)
			}
			sent, _ := out.Counts()
			if _, err := c.Wait(ctx, sent*5); err != nil {
				t.Fatal(err)
			}
			acked, arrived, err := out.OpenTo(ctx, c, time.Millisecond, 200*time.Millisecond)
			if err != nil || len(acked) == 0 || len(arrived) != len(acked) {
				t.Fatalf("%d answers, %d arrivals, %v", len(acked), len(arrived), err)
			}
			for i := range arrived {
				if arrived[i].Took <= 0 || arrived[i].At != acked[i].At {
					t.Fatalf("entry %d: %+v, %+v", i, acked[i], arrived[i])
				}
			}
			if err := out.Fill(ctx, 10, 100); err != nil {
				t.Fatal(err)
			}
			sent, answered := out.Counts()
			if sent != answered {
				t.Errorf("%d sent, %d acknowledged", sent, answered)
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

// What one of three bookies has is not durable, what two have is.
func TestMarksOfAQuorum(t *testing.T) {
	q := &quorum{enough: 2, marks: make([]uint64, 3), sorted: make([]uint64, 3)}
	for i, step := range []struct {
		bookie  int
		answers uint64
		durable uint64
	}{{0, 5, 0}, {2, 3, 3}, {2, 1, 4}, {0, 9, 4}, {1, 20, 14}} {
		if got := q.mark(step.bookie, step.answers); got != step.durable {
			t.Errorf("step %d: %d are durable, want %d", i, got, step.durable)
		}
	}
}
