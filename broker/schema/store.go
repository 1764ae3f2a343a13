package schema

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// topicSchemas is a topic's locator as it was read.
type topicSchemas struct {
	locator locator
	version meta.Version
	absent  bool
}

// alive are the versions behind the latest delete marker, oldest first.
func (t *topicSchemas) alive() []indexEntry {
	index := t.locator.index
	for i := len(index) - 1; i >= 0; i-- {
		if len(index[i].hash) == 0 {
			return index[i+1:]
		}
	}
	return index
}

// load returns the topic's locator, from the cache if it can.
func (r *Registry) load(ctx context.Context, key string) (*topicSchemas, error) {
	t, ticket := r.cache.topic(key)
	if t != nil {
		return t, nil
	}
	t, err := r.fetch(ctx, key)
	if err == nil {
		r.cache.putTopic(key, t, ticket)
	}
	return t, err
}

// fetch is load past the cache.
func (r *Registry) fetch(ctx context.Context, key string) (*topicSchemas, error) {
	v, err := r.o.Meta.Get(ctx, key)
	if errors.Is(err, meta.ErrNotFound) || err == nil && len(v.Data) == 0 {
		absent := &topicSchemas{version: meta.Absent, absent: true}
		if err == nil {
			absent.version = v.Version
		}
		return absent, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := decodeLocator(v.Data)
	if err != nil {
		return nil, fault.SchemaMalformed.New("%s: %w", key, err)
	}
	slices.SortStableFunc(l.index, func(a, b indexEntry) int { return cmp.Compare(a.version, b.version) })
	return &topicSchemas{locator: l, version: v.Version}, nil
}

// read returns a stored version, from the cache if it can.
func (r *Registry) read(ctx context.Context, e indexEntry) (*Schema, error) {
	if s := r.cache.schema(e.ledger); s != nil {
		return s, nil
	}
	l, err := r.o.Ledgers.Open(ctx, e.ledger, false)
	if err != nil {
		return nil, fmt.Errorf("schema version %d in ledger %d: %w", e.version, e.ledger, err)
	}
	entries, err := l.Read(ctx, e.entry, e.entry, 1)
	if err := errors.Join(err, l.Close(ctx)); err != nil {
		release(entries)
		return nil, fmt.Errorf("schema version %d in ledger %d: %w", e.version, e.ledger, err)
	}
	i, err := decodeEntry(entries[0].Payload.B)
	release(entries)
	if err == nil && (i.stored < 1 || Type(i.stored-1) > AutoConsume) {
		err = fmt.Errorf("stored type %d", i.stored)
	}
	if err != nil {
		return nil, fault.SchemaMalformed.New("version %d in ledger %d: %w", e.version, e.ledger, err)
	}
	s := &Schema{
		Type: Type(i.stored - 1), Data: i.data, Properties: i.props, Version: e.version, User: i.user, Timestamp: i.timestamp,
	}
	r.cache.putSchema(e.ledger, s)
	return s, nil
}

func release(entries []bk.Entry) {
	for _, e := range entries {
		e.Payload.Release()
	}
}

// append stores i as the version behind t: a ledger with one entry first, then the locator. meta.ErrConflict when the topic's locator is
// no longer t; the ledger is deleted then. A crash between the two leaves a ledger that nobody knows.
func (r *Registry) append(ctx context.Context, key string, t *topicSchemas, i info, hash []byte) (Version, error) {
	next := indexEntry{version: 0, ledger: -1, entry: -1, hash: hash}
	before := t.locator.index
	if t.absent {
		before = []indexEntry{next} // the place is not known when the entry is written
	} else {
		next.version = t.locator.info.version + 1
	}
	var err error
	if next.ledger, err = r.write(ctx, i, before); err != nil {
		return NoVersion, err
	}
	next.entry = 0
	l := locator{info: next, index: append(slices.Clone(t.locator.index), next)}
	data := l.encode()
	_, err = r.o.Meta.Put(ctx, key, data, t.version)
	if errors.Is(err, meta.ErrUnknown) {
		// Deleting the ledger would be wrong if the change was made after all.
		if v, again := r.o.Meta.Get(ctx, key); again == nil && bytes.Equal(v.Data, data) {
			err = nil
		}
	}
	r.cache.drop(key)
	if err == nil {
		return next.version, nil
	}
	if errors.Is(err, meta.ErrConflict) {
		if gone := r.o.Ledgers.Delete(ctx, next.ledger); gone != nil {
			return NoVersion, gone
		}
	}
	return NoVersion, err
}

// write makes a ledger with one entry and closes it.
func (r *Registry) write(ctx context.Context, i info, index []indexEntry) (ledger int64, err error) {
	l, err := r.o.Ledgers.Create(ctx, bk.CreateOptions{Quorum: r.o.Quorum, Digest: r.o.Digest, Custom: map[string][]byte{
		"application": []byte("pulsar"), "component": []byte("schema"), "pulsar/schemaId": []byte(i.id),
	}})
	if err != nil {
		return 0, err
	}
	done := make(added, 1)
	l.Add([]*bk.Add{{Body: bk.Bytes(encodeEntry(i, index)), Done: done}})
	select {
	case err = <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	ctx = context.WithoutCancel(ctx)
	if err = errors.Join(err, l.Close(ctx)); err != nil {
		// Nobody knows of the ledger yet.
		return 0, errors.Join(err, r.o.Ledgers.Delete(ctx, l.ID()))
	}
	return l.ID(), nil
}

// added waits for one entry.
type added chan error

func (a added) AddsDone(done []*bk.Add) { a <- done[0].Err }
