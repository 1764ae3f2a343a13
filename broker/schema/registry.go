package schema

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"

	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

const schemasKey = "/schemas"

// Options of a Registry. Meta and Ledgers are required.
type Options struct {
	Meta    meta.Store
	Ledgers bk.Ledgers
	Quorum  bk.Quorum        // of the schemas' ledgers; default: 1/1/1
	Digest  bk.Digest        // default: CRC32C
	Now     func() time.Time // default: time.Now
}

// Registry stores schemas and reads them back. Open makes it; it is safe for concurrent use.
type Registry struct {
	o     Options
	stop  context.CancelFunc
	cache cache
	// writing serializes who stores the same schema, so that a thousand producers that come with it at once make one ledger. Others are
	// told apart by compare-and-set.
	writing [64]sync.Mutex
}

// Open makes a Registry and begins to watch.
func Open(ctx context.Context, o Options) (*Registry, error) {
	if o.Quorum == (bk.Quorum{}) {
		o.Quorum = bk.Quorum{Ensemble: 1, Write: 1, Ack: 1}
	}
	if o.Digest == 0 {
		o.Digest = bk.DigestCRC32C
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Registry{o: o}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	if err := o.Meta.Watch(watch, schemasKey, func(e meta.Event) { r.cache.drop(e.Key) }); err != nil {
		stop()
		return nil, err
	}
	return r, nil
}

// Put stores s as the topic's schema and returns its version; when it is stored, the version it has. Durable when it returns.
// SchemaIncompatible when the topic has another one. Without a schema (None, AutoConsume) nothing is stored, and the answer is the
// latest version, or NoVersion. user is who sent it.
func (r *Registry) Put(ctx context.Context, n topicname.Name, s Schema, user string) (Version, error) {
	if err := check(s); err != nil {
		return NoVersion, err
	}
	key := schemasKey + "/" + id(n)
	hash := sha256.Sum256(s.Data)
	// Most find their schema without a lock.
	if v, _, err := r.find(ctx, key, s, hash[:]); !errors.Is(err, errAppend) {
		return v, err
	}
	lock := &r.writing[hash[0]%byte(len(r.writing))]
	lock.Lock()
	defer lock.Unlock()
	for {
		v, t, err := r.find(ctx, key, s, hash[:])
		if !errors.Is(err, errAppend) {
			return v, err
		}
		v, err = r.append(ctx, key, t, info{
			id: id(n), user: user, stored: int32(s.Type) + 1, data: s.Data, timestamp: r.o.Now().UnixMilli(), props: s.Properties,
		}, hash[:])
		if !errors.Is(err, meta.ErrConflict) {
			return v, err
		}
	}
}

// errAppend: the topic has no schema yet.
var errAppend = errors.New("to be stored")

// find tells which version s is, when there is nothing to store: it is there, it is no schema, or it is refused. Otherwise the error is
// errAppend, and what that was judged by is returned.
func (r *Registry) find(ctx context.Context, key string, s Schema, hash []byte) (Version, *topicSchemas, error) {
	t, err := r.load(ctx, key)
	if err != nil {
		return NoVersion, nil, err
	}
	alive := t.alive()
	switch {
	case len(alive) == 0 && !s.Type.matters():
		return NoVersion, nil, nil
	case len(alive) == 0:
		return NoVersion, t, errAppend
	}
	latest := alive[len(alive)-1]
	if !s.Type.matters() {
		return latest.version, nil, nil
	}
	for i := len(alive) - 1; i >= 0; i-- {
		if !bytes.Equal(alive[i].hash, hash) {
			continue
		}
		// The hash is of the data alone, which simple types do not have.
		have, err := r.read(ctx, alive[i])
		if err != nil {
			return NoVersion, nil, err
		}
		if have.Type == s.Type {
			return have.Version, nil, nil
		}
	}
	have, err := r.read(ctx, latest)
	if err == nil {
		err = fault.SchemaIncompatible.New("version %d of %s is %s, the new one %s", latest.version, key[len(schemasKey)+1:], have.Type, s.Type)
	}
	return NoVersion, nil, err
}

// Get returns the topic's schema of a version, NoVersion standing for the latest. SchemaNotFound.
func (r *Registry) Get(ctx context.Context, n topicname.Name, v Version) (*Schema, error) {
	t, err := r.load(ctx, schemasKey+"/"+id(n))
	if err != nil {
		return nil, err
	}
	alive := t.alive()
	for i := len(alive) - 1; i >= 0; i-- {
		if v == NoVersion || alive[i].version == v {
			return r.read(ctx, alive[i])
		}
	}
	if v == NoVersion {
		return nil, fault.SchemaNotFound.New("%s", n)
	}
	return nil, fault.SchemaNotFound.New("%s, version %d", n, v)
}

// List returns all versions of the topic's schema since it was last deleted, oldest first.
func (r *Registry) List(ctx context.Context, n topicname.Name) ([]*Schema, error) {
	t, err := r.load(ctx, schemasKey+"/"+id(n))
	if err != nil {
		return nil, err
	}
	var all []*Schema
	for _, e := range t.alive() {
		s, err := r.read(ctx, e)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// Location is where a version is stored, as REST shows it.
type Location struct {
	Version Version
	Ledger  int64
	Entry   int64
}

// Locations are all versions that are stored, delete markers included, oldest first. SchemaNotFound when there are none.
func (r *Registry) Locations(ctx context.Context, n topicname.Name) ([]Location, error) {
	t, err := r.load(ctx, schemasKey+"/"+id(n))
	if err != nil {
		return nil, err
	}
	if t.absent {
		return nil, fault.SchemaNotFound.New("%s", n)
	}
	all := make([]Location, 0, len(t.locator.index))
	for _, e := range t.locator.index {
		all = append(all, Location{e.version, e.ledger, e.entry})
	}
	return all, nil
}

// Delete marks the topic's schema as deleted: what was stored before no longer counts, and any schema may follow. It returns the
// marker's version. SchemaNotFound when there is nothing to delete.
func (r *Registry) Delete(ctx context.Context, n topicname.Name, user string) (Version, error) {
	key := schemasKey + "/" + id(n)
	for {
		t, err := r.load(ctx, key)
		if err != nil {
			return NoVersion, err
		}
		if len(t.alive()) == 0 {
			return NoVersion, fault.SchemaNotFound.New("%s", n)
		}
		v, err := r.append(ctx, key, t, info{
			id: id(n), user: user, stored: int32(None) + 1, timestamp: r.o.Now().UnixMilli(), deleted: true,
		}, nil)
		if !errors.Is(err, meta.ErrConflict) {
			return v, err
		}
	}
}

// Purge removes every version and its ledger: the topic is gone. No error when there is nothing.
func (r *Registry) Purge(ctx context.Context, n topicname.Name) error {
	key := schemasKey + "/" + id(n)
	t, err := r.fetch(ctx, key)
	if err != nil || t.absent {
		return err
	}
	err = r.o.Meta.Delete(ctx, key, t.version)
	r.cache.drop(key)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	var errs []error
	for _, e := range t.locator.index {
		errs = append(errs, r.o.Ledgers.Delete(ctx, e.ledger))
	}
	return errors.Join(errs...)
}

// Close ends the watch.
func (r *Registry) Close() error {
	r.stop()
	return nil
}
