package wasm

import (
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/wasm/fuel"
)

func benchRecords(n, size int) []connectors.Record {
	in := make([]connectors.Record, n)
	for i := range in {
		in[i] = connectors.Record{Topic: inTopic, Payload: make([]byte, size), PublishTime: 1700000000000,
			ID: connectors.MessageID{Ledger: 1, Entry: int64(i), Batch: -1, Partition: -1}}
	}
	return in
}

// BenchmarkRaw is the floor: the runtime alone, called with nothing to do.
func BenchmarkRaw(b *testing.B) {
	guarded, err := fuel.Inject(good().bytes())
	if err != nil {
		b.Fatal(err)
	}
	for name, module := range map[string][]byte{"plain": good().bytes(), "guarded": guarded} {
		b.Run(name, func(b *testing.B) {
			ctx := &watch{Context: b.Context(), end: time.Now().Add(time.Hour)}
			r := wazero.NewRuntime(ctx)
			defer r.Close(ctx)
			if err := installYield(ctx, r); err != nil {
				b.Fatal(err)
			}
			m, err := r.Instantiate(ctx, module)
			if err != nil {
				b.Fatal(err)
			}
			f := m.ExportedFunction("strobe_process")
			stack := make([]uint64, 2)
			for b.Loop() {
				stack[0], stack[1] = 0, 0
				if err := f.CallWithStack(ctx, stack); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkProcess is what Strobe adds: frames, checks, deadline. nop accepts without looking; echo is a Go guest that emits what it gets.
func BenchmarkProcess(b *testing.B) {
	for _, n := range []int{1, 100, 500} {
		nop := good()
		nop.data, nop.reply, nop.buf, nop.pages = okReply(n), uint64(len(okReply(n))), 16<<10, 32
		for name, module := range map[string][]byte{"nop": nop.bytes(), "echo": echoGuest} {
			for _, size := range []int{100, 1024} {
				b.Run(fmt.Sprintf("%s/%dx%d", name, n, size), func(b *testing.B) {
					p, err := testEngine.New(b.Context(), module, Options{Output: outTopic, Logs: slog.New(slog.NewTextHandler(io.Discard, nil))})
					if err != nil {
						b.Fatal(err)
					}
					defer p.Close()
					in := benchRecords(n, size)
					b.ReportAllocs()
					for b.Loop() {
						if _, _, err := p.Process(b.Context(), in); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/message")
				})
			}
		}
	}
}

// BenchmarkStart is the cold start of a guest whose module is compiled.
func BenchmarkStart(b *testing.B) {
	p, err := testEngine.New(b.Context(), echoGuest, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for b.Loop() {
		p.guest.close()
		if err := p.start(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
