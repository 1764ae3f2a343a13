package worker

import (
	"bytes"
	"context"
	"errors"
	"net/url"

	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/meta"
)

// sharedKey lies beside the checkpoints of the instances, so that it is forgotten with them; theirs are numbers.
func sharedKey(kind functions.Kind, n functions.FQName, key string) string {
	return "/strobe/checkpoints/" + string(kind) + "/" + n.String() + "/shared-" + url.QueryEscape(key)
}

// LoadShared returns a value that the instances of a deployment share, nil when there is none.
func (w *Worker) LoadShared(ctx context.Context, kind functions.Kind, n functions.FQName, key string) ([]byte, error) {
	v, err := w.store.meta.Get(ctx, sharedKey(kind, n, key))
	if errors.Is(err, meta.ErrNotFound) {
		return nil, nil
	}
	return v.Data, err
}

// SwapShared replaces a value that the instances of a deployment share if it is old (nil: absent) and returns the value it then has; it is
// durable at return. After an error nobody knows whether it was replaced: swapping again tells.
func (w *Worker) SwapShared(ctx context.Context, kind functions.Kind, n functions.FQName, key string, old, new []byte) ([]byte, error) {
	for {
		v, err := w.store.meta.Get(ctx, sharedKey(kind, n, key))
		expect := v.Version
		switch {
		case errors.Is(err, meta.ErrNotFound):
			expect, v.Data = meta.Absent, nil
		case err != nil:
			return nil, err
		}
		if !bytes.Equal(v.Data, old) {
			return v.Data, nil
		}
		_, err = w.store.meta.Put(ctx, sharedKey(kind, n, key), new, expect)
		if err == nil {
			return new, nil
		}
		if !errors.Is(err, meta.ErrConflict) {
			return nil, err
		}
	}
}
