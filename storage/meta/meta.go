// Package meta is the seam to the metadata store: small values under slash-separated keys, changed by compare-and-set, with
// watches, sequences and sessions. Keys and values are Apache Pulsar's and BookKeeper's own (interop §4, §7, §8), and
// Strobe's under /strobe/. Implementations: memory, local (Pebble), etcd; later ZooKeeper. All of them pass
// storagetest.Meta.
package meta

import (
	"context"
	"errors"
)

// Version is the version of a value as its store counts it: opaque, compared only for equality.
type Version int64

const (
	// Absent expects that the key does not exist: create.
	Absent Version = -1
	// Any expects nothing.
	Any Version = -2
)

var (
	// ErrNotFound: no value under the key.
	ErrNotFound = errors.New("metadata key not found")
	// ErrConflict: the value's version is not the one expected; nothing was changed.
	ErrConflict = errors.New("metadata version conflict")
	// ErrUnknown: the answer was lost. The change may have happened or may yet happen: read again and compare before deciding.
	ErrUnknown = errors.New("metadata result unknown")
	// ErrClosed: the store or session was closed.
	ErrClosed = errors.New("metadata store closed")
)

// Value is a stored value. Data belongs to the caller.
type Value struct {
	Data      []byte
	Version   Version
	Ephemeral bool // goes with its session
}

// Event is a change seen by a watch: the key's value was created, changed or deleted.
type Event struct {
	Key     string
	Deleted bool
}

// Store is the metadata seam. Every method may block on a peer and is safe for concurrent use. A change is durable when its
// method returns nil.
type Store interface {
	// Get returns the value under key, or ErrNotFound. Reads see every change that was answered before they began.
	Get(ctx context.Context, key string) (Value, error)
	// Put sets the value if its version is expect (Absent: if there is none), else ErrConflict. It returns the new version.
	// Parents need not exist. data may be empty and is the caller's again at return.
	Put(ctx context.Context, key string, data []byte, expect Version) (Version, error)
	// Delete removes the value if its version is expect. ErrNotFound when there is none.
	Delete(ctx context.Context, key string, expect Version) error
	// List returns the names of the direct children of key (the next path segment of every key below it), sorted, each once. A
	// key without children gives an empty list.
	List(ctx context.Context, key string) ([]string, error)
	// Watch calls on for each change at or below prefix that happens after it returns, in order per key, on one goroutine of the
	// store, until ctx is done. on must not block. After a lost connection Event{Key: prefix} tells to read all again.
	Watch(ctx context.Context, prefix string, on func(Event)) error
	// Sequence returns the next number of the counter at path: greater than every number answered before, never twice, also
	// after a crash. Numbers may be skipped. The first is 0 or above.
	Sequence(ctx context.Context, path string) (int64, error)
	// Session opens a session to which ephemeral values are bound.
	Session(ctx context.Context) (Session, error)
	Close() error
}

// Session owns ephemeral values: they vanish when it is closed or lost.
type Session interface {
	// PutEphemeral creates a value bound to the session; ErrConflict when the key exists.
	PutEphemeral(ctx context.Context, key string, data []byte) (Version, error)
	// Lost is closed when the store ended the session: its values are gone, and so is whatever they locked.
	Lost() <-chan struct{}
	// Close removes the session's values.
	Close() error
}
