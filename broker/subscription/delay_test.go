package subscription

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/storage/managed"
)

// TestDelayedDelivery runs in fake time: entries come when they are due, in order of their times; others are not held up.
func TestDelayedDelivery(t *testing.T) {
	for typ, want := range map[Type]string{
		Shared:    "[#2 after 0s #4 after 0s #3 after 5s #1 after 10s #5 after 10s]",
		KeyShared: "[#2 after 0s #4 after 0s #3 after 5s #1 after 10s #5 after 10s]",
		Exclusive: "[#1 after 0s #2 after 0s #3 after 0s #4 after 0s #5 after 0s]",
	} {
		t.Run(typ.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, managed.Options{})
				s := b.subscribe("s", -1, Limits{})
				s.o.Now = time.Now
				begin := time.Now()
				var got []string
				o := newOutlet()
				o.onDeliver = func(_ *Consumer, ds []Delivery) {
					for _, d := range ds {
						got = append(got, fmt.Sprintf("#%d after %v", b.numbers[d.Position], time.Since(begin)))
					}
				}
				c, err := s.AddConsumer(context.Background(), typ, ConsumerOptions{Outlet: o})
				if err != nil {
					t.Fatal(err)
				}
				c.Flow(100)
				in := func(d time.Duration) wire.Metadata { return wire.Metadata{DeliverAt: begin.Add(d).UnixMilli()} }
				b.publish(in(10*time.Second), wire.Metadata{}, in(5*time.Second), in(-time.Second), in(10*time.Second))
				s.Wake()
				if st := s.Stats(); typ != Exclusive && (st.Delayed != 3 || st.Backlog != 5) {
					t.Errorf("%d delayed, backlog %d", st.Delayed, st.Backlog)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if fmt.Sprint(got) != want {
					t.Errorf("%v, want %s", got, want)
				}
			})
		})
	}
}

// TestDelayedEntriesGoWithTheirPosition: a seek, a skip and the end leave no timer behind.
func TestDelayedEntriesGoWithTheirPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, managed.Options{})
		s := b.subscribe("s", -1, Limits{})
		s.o.Now = time.Now
		o := newOutlet()
		join := func() *Consumer {
			c, err := s.AddConsumer(context.Background(), Shared, ConsumerOptions{Outlet: o})
			if err != nil {
				t.Fatal(err)
			}
			c.Flow(100)
			return c
		}
		join()
		hour := wire.Metadata{DeliverAt: time.Now().Add(time.Hour).UnixMilli()}
		b.publish(hour, hour, wire.Metadata{})
		s.Wake()
		if err := s.Seek(context.Background(), b.published[2], nil); err != nil {
			t.Fatal(err)
		}
		c := join()
		if got := o.take(c); len(got) != 1 || b.numbers[got[0].Position] != 3 {
			t.Errorf("%v", got)
		}
		if err := s.Skip(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if got := o.take(c); len(got) != 0 {
			t.Errorf("%d were delivered although they were skipped", len(got))
		}
		b.publish(wire.Metadata{DeliverAt: time.Now().Add(time.Hour).UnixMilli()})
		s.Wake()
		closed := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if waited := time.Since(closed); waited != 0 {
			t.Errorf("closing waited %v for a timer", waited)
		}
	})
}
