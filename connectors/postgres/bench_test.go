package postgres

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/strobemq/strobe/connectors"
	"github.com/strobemq/strobe/connectors/connectortest"
)

// BenchmarkDrain reads a backlog of outbox rows of about 200 bytes, acknowledging every batch.
func BenchmarkDrain(b *testing.B) {
	for _, perTransaction := range []int{1000, 1} {
		b.Run(fmt.Sprintf("transactions of %d", perTransaction), func(b *testing.B) {
			const rows = 200_000
			d := newDatabase(b, shared.get(b))
			d.exec(outboxTable)
			store := &connectortest.Store{}
			for b.Loop() {
				b.StopTimer()
				open := func() connectors.Source {
					s, err := NewSource(d.config(nil), d.env(store))
					if err != nil {
						b.Fatal(err)
					}
					if err := s.Connect(b.Context()); err != nil {
						b.Fatal(err)
					}
					return s
				}
				open().Close()
				d.exec("set synchronous_commit = off", fmt.Sprintf(`do $$ begin for i in 1..%d loop
					insert into outboxevent (aggregatetype, aggregateid, payload) select 'Order', n::text, jsonb_build_object('n', n, 'text', repeat('x', 60)) from generate_series(1, %d) n;
					commit; end loop; end $$`, rows/perTransaction, perTransaction), "checkpoint")
				s := open()
				used, batches := cpu(), 0
				begin := time.Now()
				b.StartTimer()
				for n := 0; n < rows; batches++ {
					batch, err := s.Read(b.Context())
					if err != nil {
						b.Fatal(err)
					}
					n += len(batch.Records)
					if err := batch.Ack(b.Context(), nil); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				b.ReportMetric(rows/time.Since(begin).Seconds(), "rows/s")
				b.ReportMetric(float64((cpu()-used).Nanoseconds())/rows, "cpu-ns/row")
				b.ReportMetric(float64(rows)/float64(batches), "rows/batch")
				s.Close()
				b.StartTimer()
			}
		})
	}
}

func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
