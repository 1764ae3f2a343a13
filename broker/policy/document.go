package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

var errNoTopic = errors.New("no topic below this key")

// document is a JSON object of the metadata. It is shared by all readers and never changed.
type document struct {
	fields  map[string]any // numbers are json.Number
	version meta.Version
	bundles func() ([]uint32, error) // parsed once: every lookup of a topic asks
}

// decodeFields reads a JSON object. An empty value is an empty object, as Apache's ZooKeeper store leaves parents.
func decodeFields(data []byte) (map[string]any, error) {
	fields := map[string]any{}
	if len(bytes.TrimSpace(data)) == 0 {
		return fields, nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one JSON value")
	}
	if fields == nil { // the value was null
		fields = map[string]any{}
	}
	return fields, nil
}

// load returns the document under key, from the cache if it can; nil when there is none.
func (s *Store) load(ctx context.Context, key string) (*document, error) {
	d, ok, ticket := s.cache.get(key)
	if ok {
		return d, nil
	}
	d, err := s.read(ctx, key)
	if err == nil {
		s.cache.put(key, d, ticket)
	}
	return d, err
}

// read is load past the cache.
func (s *Store) read(ctx context.Context, key string) (*document, error) {
	v, err := s.meta.Get(ctx, key)
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	fields, err := decodeFields(v.Data)
	if err != nil {
		return nil, fault.PolicyValue.New("%s: %w", key, err)
	}
	bundles := sync.OnceValues(func() ([]uint32, error) { return parseBundles(fields) })
	return &document{fields: fields, version: v.Version, bundles: bundles}, nil
}

// create makes a document; meta.ErrConflict when there is one.
func (s *Store) create(ctx context.Context, key string, fields any) error {
	data, err := json.Marshal(fields)
	if err != nil {
		return fault.PolicyValue.New("%s: %w", key, err)
	}
	_, err = s.meta.Put(ctx, key, data, meta.Absent)
	if errors.Is(err, meta.ErrUnknown) {
		err = s.resolve(ctx, key, data, err)
	}
	s.cache.drop(key)
	return err
}

// update changes the document under key by change, which gets a copy (empty when there is no document) and may be called again when
// somebody else was faster. When change returns an error nothing is changed.
func (s *Store) update(ctx context.Context, key string, change func(fields map[string]any, exists bool) error) error {
	for {
		d, err := s.read(ctx, key)
		if err != nil {
			return err
		}
		fields, version := map[string]any{}, meta.Absent
		if d != nil {
			fields, version = deepCopy(d.fields).(map[string]any), d.version
		}
		if err := change(fields, d != nil); err != nil {
			return err
		}
		data, err := json.Marshal(fields)
		if err != nil {
			return fault.PolicyValue.New("%s: %w", key, err)
		}
		if d != nil {
			if old, err := json.Marshal(d.fields); err == nil && bytes.Equal(old, data) {
				return nil
			}
		}
		_, err = s.meta.Put(ctx, key, data, version)
		if errors.Is(err, meta.ErrUnknown) {
			err = s.resolve(ctx, key, data, err)
		}
		s.cache.drop(key)
		if !errors.Is(err, meta.ErrConflict) {
			return err
		}
	}
}

// resolve asks what became of a put whose answer was lost: nil when the value is there.
func (s *Store) resolve(ctx context.Context, key string, data []byte, unknown error) error {
	if v, err := s.meta.Get(ctx, key); err == nil && bytes.Equal(v.Data, data) {
		return nil
	}
	return unknown
}

// remove deletes the document; no error when there is none.
func (s *Store) remove(ctx context.Context, key string) error {
	err := s.meta.Delete(ctx, key, meta.Any)
	s.cache.drop(key)
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	return err
}

// deepCopy copies what JSON decodes to.
func deepCopy(v any) any {
	switch v := v.(type) {
	case map[string]any:
		c := maps.Clone(v)
		for k, x := range c {
			c[k] = deepCopy(x)
		}
		return c
	case []any:
		c := slices.Clone(v)
		for i, x := range c {
			c[i] = deepCopy(x)
		}
		return c
	}
	return v
}

// field reads fields[name] as a T, through JSON; ok is false when it is absent or null.
func field[T any](fields map[string]any, name string) (value T, ok bool, err error) {
	raw, found := fields[name]
	if !found || raw == nil {
		return value, false, nil
	}
	data, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(data, &value)
	}
	if err != nil {
		return value, false, fault.PolicyValue.New("%s: %w", name, err)
	}
	return value, true, nil
}
