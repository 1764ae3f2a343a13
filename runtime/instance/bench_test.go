package instance

import (
	"context"
	"testing"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/runtime/functions"
)

// pump is a source that always has records: the same ones.
type pump struct {
	records []connectors.Record
	left    chan int // batches to hand out
	done    chan struct{}
	ack     func(context.Context, []int) error
}

func (p *pump) Connect(context.Context) error { return nil }
func (p *pump) Close() error                  { return nil }
func (p *pump) Read(ctx context.Context) (connectors.Batch, error) {
	select {
	case <-p.left:
		return connectors.Batch{Records: p.records, Ack: p.ack}, nil
	case <-ctx.Done():
		return connectors.Batch{}, ctx.Err()
	}
}

// drain is a sink that takes everything at once.
type drain struct{}

func (drain) Connect(context.Context) error                    { return nil }
func (drain) Write(context.Context, []connectors.Record) error { return nil }
func (drain) Close() error                                     { return nil }

// same is a processor that answers each record with itself, from memory that it uses again.
type same struct {
	outputs []connectors.Output
	results []connectors.Result
}

func (s *same) Process(_ context.Context, in []connectors.Record) ([]connectors.Output, []connectors.Result, error) {
	s.outputs, s.results = s.outputs[:0], s.results[:0]
	for i := range in {
		s.outputs = append(s.outputs, connectors.Output{Input: i, Record: connectors.Record{Topic: outTopic, Payload: in[i].Payload}})
		s.results = append(s.results, connectors.Result{})
	}
	return s.outputs, s.results, nil
}
func (s *same) Close() error { return nil }

// BenchmarkLoop is what the loop costs for each record, with ends that cost nothing: batches of 50 records of 1 KiB.
func BenchmarkLoop(b *testing.B) {
	for name, proc := range map[string]connectors.Processor{"through": nil, "processed": &same{}} {
		b.Run(name, func(b *testing.B) {
			p := &pump{left: make(chan int, 64), done: make(chan struct{}, 1<<20)}
			for i := range 50 {
				p.records = append(p.records, connectors.Record{Topic: inTopic, Payload: make([]byte, 1024), Index: uint64(i), HasIndex: true})
			}
			p.ack = func(_ context.Context, done []int) error {
				if done != nil {
					b.Error("a part of a batch")
				}
				p.done <- struct{}{}
				return nil
			}
			l, err := Start(Options{Spec: functions.Spec{Output: outTopic}, Source: p, Processor: proc, Sink: drain{}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			go func() {
				for range b.N {
					p.left <- 1
				}
			}()
			for range b.N {
				<-p.done
			}
			b.StopTimer()
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*50), "ns/record")
			_ = l.Stop(context.Background())
		})
	}
}
