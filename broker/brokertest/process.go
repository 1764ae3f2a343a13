package brokertest

import (
	"context"
	"sync/atomic"

	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// process is the way of one life to storage. Once it is dead nothing it begins has an effect; what is under way may go either way.
type process struct {
	meta.Store
	ledgers bk.Ledgers
	dead    atomic.Bool
}

func (p *process) Put(ctx context.Context, key string, data []byte, expect meta.Version) (meta.Version, error) {
	if p.dead.Load() {
		return 0, meta.ErrClosed
	}
	return p.Store.Put(ctx, key, data, expect)
}

func (p *process) Delete(ctx context.Context, key string, expect meta.Version) error {
	if p.dead.Load() {
		return meta.ErrClosed
	}
	return p.Store.Delete(ctx, key, expect)
}

// ledgersOf is the process's ledgers.
type ledgersOf struct{ p *process }

func (l ledgersOf) Create(ctx context.Context, o bk.CreateOptions) (bk.Ledger, error) {
	if l.p.dead.Load() {
		return nil, bk.ErrClosed
	}
	return l.p.ledgers.Create(ctx, o)
}

func (l ledgersOf) Open(ctx context.Context, id int64, recover bool) (bk.Ledger, error) {
	if l.p.dead.Load() {
		return nil, bk.ErrClosed
	}
	return l.p.ledgers.Open(ctx, id, recover)
}

func (l ledgersOf) Delete(ctx context.Context, id int64) error {
	if l.p.dead.Load() {
		return bk.ErrClosed
	}
	return l.p.ledgers.Delete(ctx, id)
}
