package topic

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/broker/wire/pb"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
)

// epochProperty holds the topic epoch in the managed ledger's node (interop §7.3).
const epochProperty = "pulsar.topic.epoch"

// AddProducer lets a producer in. A *Refusal when it may not be: the name is taken (PRODUCER_BUSY), an exclusive producer is there
// (PRODUCER_BUSY or PRODUCER_FENCED), the schema does not fit, the topic is terminated or going (SERVICE_NOT_READY: look it up again).
//
// A producer of the same name with an older epoch is a former connection of the same client: it is replaced and not told.
func (t *Topic) AddProducer(ctx context.Context, o ProducerOptions) (*Producer, Admission, error) {
	p := &Producer{topic: t, o: o, joined: t.r.now()}
	if o.Schema != nil && t.r.o.Schema != nil {
		version, err := t.r.o.Schema(ctx, t.name, o.Schema)
		if err != nil {
			return nil, Admission{}, refusalOf(t.name, err)
		}
		p.schema = version
	}
	if p.o.Name == "" {
		name, err := t.r.producerName(ctx)
		if err != nil {
			return nil, Admission{}, refusalOf(t.name, err)
		}
		p.o.Name = name
	}
	if o.InitialSubscription != "" && t.ledger != nil {
		if err := t.CreateSubscription(ctx, o.InitialSubscription, bk.Earliest, nil); err != nil {
			return nil, Admission{}, err
		}
	}

	t.mu.Lock()
	epoch, r := t.admitLocked(p)
	a := t.admissionLocked(p)
	t.deliverLocked()
	if r != nil {
		return nil, Admission{}, r
	}
	if epoch != nil {
		var err error
		if a, err = t.install(ctx, p, *epoch); err != nil {
			return nil, Admission{}, err
		}
	}
	return p, a, nil
}

// admissionLocked is what the producer is told.
func (t *Topic) admissionLocked(p *Producer) Admission {
	a := Admission{Name: p.o.Name, LastSequence: -1, SchemaVersion: p.schema, TopicEpoch: t.epoch, Ready: !p.waiting}
	if p.dedup != nil {
		a.LastSequence = p.dedup.persisted
	}
	return a
}

// admitLocked puts the producer in its place, or says why not. With an epoch the producer is exclusive once that is stored.
func (t *Topic) admitLocked(p *Producer) (epoch *uint64, r *Refusal) {
	switch {
	case t.state == Terminated:
		return nil, refuse(wire.TopicTerminatedError, fault.TopicTerminated, "%s", t.name)
	case t.state != Open:
		return nil, t.going(t.state)
	case t.halted:
		return nil, refuse(wire.ServiceNotReady, fault.PublishFailed, "%s: publishes are still failing", t.name)
	}
	if old := t.namedLocked(p.o.Name); old != nil {
		if old.o.Epoch >= p.o.Epoch {
			return nil, refuse(wire.ProducerBusy, fault.ProducerNameTaken, "%s, producer %q", t.name, p.o.Name)
		}
		t.dropLocked(old)
	}
	if t.settings.MaxProducers > 0 && len(t.producers)+len(t.queue) >= t.settings.MaxProducers {
		return nil, refuse(wire.ProducerBusy, fault.ProducerLimit, "%s has %d", t.name, len(t.producers))
	}
	if epoch, r = t.accessLocked(p); r != nil {
		return nil, r
	}
	if p.waiting {
		t.queue = append(t.queue, p)
		return nil, nil
	}
	t.joinLocked(p)
	return epoch, nil
}

// namedLocked is the producer of that name, in place or waiting, or nil.
func (t *Topic) namedLocked(name string) *Producer {
	if p := t.producers[name]; p != nil {
		return p
	}
	for _, p := range t.queue {
		if p.o.Name == name {
			return p
		}
	}
	return nil
}

// accessLocked decides by access mode. It may mark the producer waiting, and detach others for one that fences.
func (t *Topic) accessLocked(p *Producer) (epoch *uint64, r *Refusal) {
	taken := t.exclusive != nil || len(t.queue) > 0
	switch p.o.Mode {
	case pb.ProducerAccessMode_ACCESS_EXCLUSIVE:
		if taken {
			return nil, refuse(wire.ProducerFenced, fault.ProducerExclusive, "%s", t.name)
		}
		if len(t.producers) > 0 {
			return nil, refuse(wire.ProducerFenced, fault.ProducerFenced, "%s has producers that share it", t.name)
		}
	case pb.ProducerAccessMode_ACCESS_EXCLUSIVE_WITH_FENCING:
		for _, q := range slices.Clone(t.queue) {
			t.rejectLocked(q, refuse(wire.ProducerFenced, fault.ProducerFenced, "%s, by %q", t.name, p.o.Name))
		}
		for _, q := range t.producers {
			t.detachLocked(q)
		}
	case pb.ProducerAccessMode_ACCESS_WAIT_FOR_EXCLUSIVE:
		if taken || len(t.producers) > 0 {
			p.waiting = true
			return nil, nil
		}
	default:
		if taken {
			return nil, refuse(wire.ProducerBusy, fault.ProducerExclusive, "%s", t.name)
		}
		return nil, nil
	}
	if p.o.TopicEpoch != nil && t.epoch != nil && *p.o.TopicEpoch < *t.epoch {
		return nil, refuse(wire.ProducerFenced, fault.ProducerFenced, "%s: topic epoch %d, the producer's is %d", t.name, *t.epoch, *p.o.TopicEpoch)
	}
	e := t.nextEpochLocked(p)
	t.exclusive = p
	return &e, nil
}

// nextEpochLocked is the topic epoch of an exclusive producer: its own when it comes back and nobody was there meanwhile, else the next.
func (t *Topic) nextEpochLocked(p *Producer) uint64 {
	switch {
	case p.o.TopicEpoch != nil:
		return *p.o.TopicEpoch
	case t.epoch != nil:
		return *t.epoch + 1
	}
	return 0
}

// install makes an exclusive producer's epoch durable.
func (t *Topic) install(ctx context.Context, p *Producer, epoch uint64) (Admission, error) {
	t.mu.Lock()
	known := t.epoch != nil && *t.epoch == epoch
	t.mu.Unlock()
	if !known && t.ledger != nil {
		err := t.ledger.SetProperties(ctx, map[string]string{epochProperty: strconv.FormatUint(epoch, 10)})
		if err != nil {
			t.removeProducer(p)
			return Admission{}, refusalOf(t.name, err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.closed {
		return Admission{}, refuse(wire.ProducerFenced, fault.ProducerFenced, "%s, producer %q", t.name, p.o.Name)
	}
	t.epoch = &epoch
	return t.admissionLocked(p), nil
}

// joinLocked makes the producer one that may publish.
func (t *Topic) joinLocked(p *Producer) {
	t.producers[p.o.Name] = p
	if t.dedup != nil {
		p.dedup = t.dedup.entry(p.o.Name, t.r.now().UnixMilli())
		p.dedup.current = p
	}
}

// dropLocked takes the producer out without telling its connection. Publishes of it that repeat others are not waited for: the client
// sends them again.
func (t *Topic) dropLocked(p *Producer) {
	if p.closed {
		return
	}
	p.closed = true
	if t.producers[p.o.Name] == p {
		delete(t.producers, p.o.Name)
	}
	if p.dedup != nil && p.dedup.current == p {
		p.dedup.current = nil
	}
	for pub := p.later.head; pub != nil; pub = pub.link {
		if pub.wait {
			pub.wait = false
			pub.Err = refuse(wire.ServiceNotReady, fault.ProducerClosed, "%s, producer %q", t.name, p.o.Name)
		}
	}
	t.ripenLocked(p)
	if i := slices.Index(t.queue, p); i >= 0 {
		t.queue = slices.Delete(t.queue, i, i+1)
	}
	if t.exclusive == p {
		t.exclusive = nil
	}
}

// detachLocked takes the producer out and asks its client to come back.
func (t *Topic) detachLocked(p *Producer) {
	t.dropLocked(p)
	t.notices = append(t.notices, func() { p.o.Receipts.Disconnect(p) })
}

// rejectLocked tells a producer that waits that it never gets its turn.
func (t *Topic) rejectLocked(p *Producer, r *Refusal) {
	t.dropLocked(p)
	if p.o.Ready != nil {
		t.notices = append(t.notices, func() { p.o.Ready(p, Admission{}, r) })
	}
}

func (t *Topic) removeProducer(p *Producer) {
	t.mu.Lock()
	t.dropLocked(p)
	t.promoteLocked()
	t.deliverLocked()
}

// promoteLocked gives the first producer in the queue its turn, if nobody is there any more.
func (t *Topic) promoteLocked() {
	if t.state != Open || t.exclusive != nil || len(t.producers) > 0 || len(t.queue) == 0 {
		return
	}
	p := t.queue[0]
	t.queue = slices.Delete(t.queue, 0, 1)
	epoch := t.nextEpochLocked(p)
	if p.o.TopicEpoch != nil && t.epoch != nil && *p.o.TopicEpoch < *t.epoch {
		epoch = *t.epoch + 1
	}
	p.waiting, t.exclusive = false, p
	t.joinLocked(p)
	// The epoch is stored on a goroutine of the registry's: whoever closed the producer before this one does not wait for it.
	t.r.run(func(ctx context.Context) {
		a, err := t.install(ctx, p, epoch)
		p.o.Ready(p, a, err)
	})
}

// producerName makes a name that no other producer of the cluster has.
func (r *Topics) producerName(ctx context.Context) (string, error) {
	r.names.Lock()
	defer r.names.Unlock()
	if !r.numbered {
		n, err := r.o.NextProducer(ctx)
		if err != nil {
			return "", fmt.Errorf("number for producer names: %w", err)
		}
		r.number, r.numbered = n, true
	}
	r.nameCount++
	return r.o.Cluster + "-" + strconv.FormatInt(r.number, 10) + "-" + strconv.FormatInt(r.nameCount, 10), nil
}
