package subscription

import (
	"context"
	"testing"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/managed"
)

// lastOutlet releases what it is given and remembers where it was.
type lastOutlet struct {
	outlet
	positions []bk.Position
}

func (o *lastOutlet) Deliver(_ *Consumer, ds []Delivery) {
	for i := range ds {
		ds[i].Payload.Release()
		o.positions = append(o.positions, ds[i].Position)
	}
}

// TestTailAllocatesNothing: permits, delivery from the cache and acknowledgement.
func TestTailAllocatesNothing(t *testing.T) {
	const list, runs = 64, 50
	for _, typ := range []Type{Exclusive, Shared, KeyShared} {
		t.Run(typ.String(), func(t *testing.T) {
			b := newBench(t, managed.Options{})
			s := b.subscribe("s", -1, Limits{})
			o := &lastOutlet{positions: make([]bk.Position, 0, list)}
			c, err := s.AddConsumer(context.Background(), typ, ConsumerOptions{Outlet: o})
			if err != nil {
				t.Fatal(err)
			}
			for range runs + 2 {
				ms := many(list)
				for i := range ms {
					ms[i].PartitionKey = []byte{'k', byte(i)}
				}
				b.publish(ms...)
			}
			acks := make([]Ack, list)
			per := testing.AllocsPerRun(runs, func() {
				c.Flow(list)
				if len(o.positions) != list {
					t.Fatalf("%d delivered", len(o.positions))
				}
				for i, p := range o.positions {
					acks[i].Position = p
				}
				o.positions = o.positions[:0]
				if err := c.Ack(acks, false); err != nil {
					t.Fatal(err)
				}
			})
			if per >= 2 { // blocks of bits and slots are made now and then, far less than one an entry
				t.Errorf("%v allocations for %d entries", per, list)
			}
		})
	}
}
