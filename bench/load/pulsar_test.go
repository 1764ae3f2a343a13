package load

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/strobemq/strobe/broker/wire"
)

// What is sent is what a broker can read: a sequence id written into a built frame leaves all else, and the checksum, right.
func TestEntryIsNumbered(t *testing.T) {
	for _, shape := range []Shape{{1, 100}, {50, 1024}} {
		frame, at := pulsarEntry(shape, "p", 7)
		p := pulsarProducer{frame: frame, at: at}
		for _, sequence := range []uint64{firstSequence, firstSequence + 1, 1<<35 - 1} {
			p.number(frame, sequence)
			f, n, err := wire.ParseFrame(frame, maxFrame)
			if err != nil || n != len(frame) {
				t.Fatal(n, err)
			}
			kind, body, err := wire.Split(f.Command)
			var s wire.Send
			if err == nil {
				err = s.Decode(body)
			}
			if err != nil || kind != wire.TypeSend || s.SequenceID != sequence || s.ProducerID != 7 || int(s.NumMessages) != shape.Messages {
				t.Fatalf("%v %+v, %v", kind, s, err)
			}
			entry, err := wire.ParsePayload(f.Payload)
			if err == nil {
				err = entry.Verify()
			}
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			err = Payloads(f.Payload, func(b []byte) error {
				got++
				if !bytes.Equal(b, Payload(shape.Size)) {
					return errors.New("another payload")
				}
				return nil
			})
			if err != nil || got != shape.Messages {
				t.Errorf("%d messages, %v", got, err)
			}
		}
	}
}

// The consumer counts entries and messages, grants permits again and acknowledges.
func TestConsumerAnswers(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	shape := Shape{Messages: 10, Size: 100}
	d := &pulsarConsumer{sub: Subscription{Permits: 400}, consumers: make([]consuming, 1)}
	c := newConsumer(near, d, nil, time.Now())
	defer c.Close()
	frame, _ := pulsarEntry(shape, "p", 1)
	sent, _, err := wire.ParseFrame(frame, maxFrame)
	if err != nil {
		t.Fatal(err)
	}
	const entries = 64
	answers := make(chan []wire.Type, 1)
	go func() { // what the consumer writes, until the pipe ends
		var kinds []wire.Type
		_ = frames(far, nil, func(b []byte) (int, error) {
			f, n, err := wire.ParseFrame(b, maxFrame)
			if err == nil && n > 0 {
				kind, _, _ := wire.Split(f.Command)
				kinds = append(kinds, kind)
			}
			return n, err
		})
		answers <- kinds
	}()
	for i := range entries {
		m := wire.Message{ID: wire.MessageID{Ledger: 1, Entry: int64(i), Partition: -1, BatchIndex: -1}}
		if _, err := far.Write(append(m.AppendFrame(nil, len(sent.Payload)), sent.Payload...)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := c.Wait(t.Context(), entries*10)
	if err != nil || got.Entries != entries {
		t.Fatalf("%+v, %v", got, err)
	}
	c.Close()
	flows, acks := 0, 0
	for _, k := range <-answers {
		switch k {
		case wire.TypeFlow:
			flows++
		case wire.TypeAck:
			acks++
		}
	}
	if flows != 3 || acks == 0 {
		t.Errorf("%d flows for 640 messages with 400 permits, %d acks", flows, acks)
	}
}
