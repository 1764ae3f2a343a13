package placement

import (
	"bytes"
	"context"
	"errors"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

func (b Bundle) key() string { return namespaceKey + "/" + b.String() }

// acquire makes b this broker's: nil when it is, meta.ErrConflict when another broker has it. One call at a time asks the metadata for a
// bundle, the others wait for it.
func (p *Placement) acquire(ctx context.Context, b Bundle) error {
	for {
		p.mu.Lock()
		if p.closed || p.session == nil {
			p.mu.Unlock()
			return fault.PlacementLost.New("%s", b)
		}
		x := p.bundles[b]
		if x == nil {
			x = &owned{settled: make(chan struct{})}
			p.bundles[b] = x
			session := p.session
			p.mu.Unlock()
			version, err := p.create(ctx, session, b)
			if !p.settle(b, x, version, err == nil) && err == nil {
				err = fault.PlacementLost.New("%s", b)
			}
			return err
		}
		mine, settled := x.mine, x.settled
		p.mu.Unlock()
		if mine {
			return nil
		}
		select {
		case <-settled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle ends an acquisition or a release and tells whether the bundle is this broker's: not when the session was lost meanwhile.
func (p *Placement) settle(b Bundle, x *owned, version meta.Version, mine bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	x.version, x.mine = version, mine && p.bundles[b] == x
	if !mine && p.bundles[b] == x {
		delete(p.bundles, b)
	}
	close(x.settled)
	return x.mine
}

// create makes the bundle's node, as claim does a registration; it also wants the version.
func (p *Placement) create(ctx context.Context, session meta.Session, b Bundle) (meta.Version, error) {
	mine := p.o.ownership(false)
	for {
		version, err := session.PutEphemeral(ctx, b.key(), mine)
		if errors.Is(err, meta.ErrUnknown) && ctx.Err() == nil {
			continue
		}
		if !errors.Is(err, meta.ErrConflict) {
			return version, err
		}
		v, err := p.o.Meta.Get(ctx, b.key())
		if errors.Is(err, meta.ErrNotFound) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if !bytes.Equal(v.Data, mine) {
			return 0, meta.ErrConflict
		}
		if err := p.o.Meta.Delete(ctx, b.key(), v.Version); err != nil && !gone(err) && (!errors.Is(err, meta.ErrUnknown) || ctx.Err() != nil) {
			return 0, err
		}
	}
}

// Unload gives the bundle up: it says so in the bundle's node, calls drain, which closes the bundle's topics, and deletes the node. Who asks for
// a topic of it meanwhile waits, and then it may become this broker's again. When drain fails the bundle is given up all the
// same, because some of its topics may be closed; its error is returned. Not this broker's: nothing to do.
func (p *Placement) Unload(ctx context.Context, b Bundle, drain func(ctx context.Context) error) error {
	p.mu.Lock()
	x := p.bundles[b]
	if x == nil || !x.mine {
		p.mu.Unlock()
		return nil
	}
	releasing := &owned{settled: make(chan struct{})}
	p.bundles[b] = releasing
	p.mu.Unlock()
	defer p.settle(b, releasing, 0, false)

	ctx = context.WithoutCancel(ctx) // half given up would be worse than late
	version, err := p.o.Meta.Put(ctx, b.key(), p.o.ownership(true), x.version)
	if errors.Is(err, meta.ErrConflict) || errors.Is(err, meta.ErrUnknown) {
		version, err = meta.Any, nil // the node went with its session, or the mark may have been made: the topics are closed in any case
	}
	if err != nil {
		return errors.Join(err, drain(ctx))
	}
	err = drain(ctx)
	if gone := p.o.Meta.Delete(ctx, b.key(), version); gone != nil && !errors.Is(gone, meta.ErrNotFound) {
		err = errors.Join(err, gone)
	}
	return err
}
