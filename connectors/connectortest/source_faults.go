package connectortest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// rowsPerLife is written before each life of a source.
const rowsPerLife = 7

// well is an ordinary life. The source is connected once before the first row is written: what was there before is its own affair.
func (r *sourceRun) well(ctx context.Context) error {
	if err := r.recover(ctx); err != nil {
		return err
	}
	if err := r.write(ctx, 3*rowsPerLife); err != nil {
		return err
	}
	return r.recover(ctx)
}

// killEverywhere kills one process after the other, each a step later than the one before, and during its k-th Save, before and after
// the value is stored. Each next process goes on with what is left.
func (r *sourceRun) killEverywhere(ctx context.Context) error {
	for step := 1; ; step++ {
		finished, err := r.killAt(ctx, step, nil)
		if err != nil {
			return fmt.Errorf("killed at step %d: %w", step, err)
		}
		if finished {
			break
		}
	}
	for _, fault := range []SaveFault{SaveNothing, SaveUnknown} {
		for save := 1; save <= 4; save++ {
			if _, err := r.killAt(ctx, 0, func(store *Store) {
				store.OnSave = func(n int, _ []byte) SaveFault {
					if n < save {
						return SaveWell
					}
					store.Kill()
					return fault
				}
			}); err != nil {
				return fmt.Errorf("killed in save %d: %w", save, err)
			}
		}
	}
	// Refused again and again and then killed: nothing may have been confirmed meanwhile.
	_, err := r.killAt(ctx, 0, func(store *Store) {
		store.OnSave = func(n int, _ []byte) SaveFault {
			if n >= 4 {
				store.Kill()
			}
			if n >= 2 {
				return SaveNothing
			}
			return SaveWell
		}
	})
	return err
}

// killAt is one life with a fault and one without; finished says that the fault was not reached.
func (r *sourceRun) killAt(ctx context.Context, step int, prepare func(*Store)) (finished bool, err error) {
	if err := r.write(ctx, rowsPerLife); err != nil {
		return false, err
	}
	p, err := r.begin(step)
	if err != nil {
		return false, err
	}
	if prepare != nil {
		prepare(p.store)
	}
	switch err := p.live(ctx); {
	case err == nil:
		return true, nil
	case !errors.Is(err, errKilled) && !errors.Is(err, errRefused):
		return false, err
	}
	return false, r.recover(ctx)
}

// refusePositions lets saves fail for a while, stored or not; the source must say so, connect again, and confirm nothing meanwhile.
func (r *sourceRun) refusePositions(ctx context.Context) error {
	for _, fault := range []SaveFault{SaveNothing, SaveUnknown} {
		if err := r.write(ctx, 2*rowsPerLife); err != nil {
			return err
		}
		p, err := r.begin(0)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		refused := 0
		p.store.OnSave = func(n int, _ []byte) SaveFault {
			mu.Lock()
			defer mu.Unlock()
			if n%2 == 0 && refused < 3 {
				refused++
				return fault
			}
			return SaveWell
		}
		if err := p.live(ctx); err != nil && !errors.Is(err, errRefused) {
			return err
		}
		mu.Lock()
		n := refused
		mu.Unlock()
		if n == 0 {
			return errors.New("the source stored no position that could have been refused")
		}
		if err := r.recover(ctx); err != nil {
			return err
		}
	}
	return nil
}

// lateAcks keeps several batches out and acknowledges them last first, one of them only after the source has connected again, when it must
// not move what the new connection does: the last batch was read and nothing else.
func (r *sourceRun) lateAcks(ctx context.Context) error {
	p, err := r.begin(0)
	if err != nil {
		return err
	}
	defer p.source.Close()
	if err := p.connect(ctx); err != nil {
		return err
	}
	var out []connectors.Batch
	for range 4 {
		if err := r.write(ctx, rowsPerLife); err != nil {
			return err
		}
		for r.topics.missing(r.rows) > 0 {
			b, err := p.read(ctx)
			if err != nil {
				return err
			}
			p.deliver(b)
			out = append(out, b)
		}
	}
	late := out[len(out)-1]
	for i := len(out) - 2; i >= 0; i-- {
		if err := out[i].Ack(ctx, nil); err != nil {
			return fmt.Errorf("ack: %w", err)
		}
	}
	if err := r.write(ctx, rowsPerLife); err != nil {
		return err
	}
	if _, err := p.read(ctx); err != nil {
		return err
	}
	if err := p.connect(ctx); err != nil {
		return fmt.Errorf("connecting again: %w", err)
	}
	for again := 0; again < len(late.Records)+rowsPerLife; {
		b, err := p.read(ctx)
		if err != nil {
			return fmt.Errorf("rows that were not acknowledged did not come again: %w", err)
		}
		again += len(b.Records)
	}
	// Too late is no error: the records come again and are dropped.
	if err := late.Ack(ctx, nil); err != nil {
		return fmt.Errorf("late ack: %w", err)
	}
	return p.source.Close()
}

// neverAcked ends a source in order while its rows are not done: they must come again.
func (r *sourceRun) neverAcked(ctx context.Context) error {
	if err := r.write(ctx, rowsPerLife); err != nil {
		return err
	}
	for range 2 {
		p, err := r.begin(0)
		if err != nil {
			return err
		}
		if err := p.connect(ctx); err != nil {
			return err
		}
		if _, err := p.read(ctx); err != nil {
			return fmt.Errorf("rows that were never acknowledged did not come again: %w", err)
		}
		if err := p.source.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	return nil
}

// misuse calls what the contract allows at odd moments.
func (r *sourceRun) misuse(ctx context.Context) error {
	p, err := r.begin(0)
	if err != nil {
		return err
	}
	for range 2 {
		if err := p.source.Close(); err != nil {
			return fmt.Errorf("close without connect: %w", err)
		}
	}
	if p, err = r.begin(0); err != nil {
		return err
	}
	defer p.source.Close()
	if err := p.connect(ctx); err != nil {
		return err
	}
	if err := p.readNothing(ctx); err != nil {
		return err
	}
	for range 2 {
		if err := p.source.Close(); err != nil {
			return fmt.Errorf("close: %w", err)
		}
	}
	return nil
}

// readNothing waits for rows where none are, and must be told so when its context ends. The last rows may come once more before.
func (p *process) readNothing(ctx context.Context) error {
	for {
		short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
		begin := time.Now()
		b, err := p.source.Read(short)
		cancel()
		switch {
		case err == nil:
			p.deliver(b)
			if err := b.Ack(ctx, nil); err != nil {
				return fmt.Errorf("ack: %w", err)
			}
			continue
		case short.Err() == nil:
			return fmt.Errorf("read: %w", err)
		}
		if waited := time.Since(begin); waited > p.run.suite.patience()/2 {
			return fmt.Errorf("read returned %v after its context ended", waited)
		}
		return nil
	}
}

// disturb takes the external system away: while the source waits, and with rows out.
func (r *sourceRun) disturb(ctx context.Context) error {
	p, err := r.begin(0)
	if err != nil {
		return err
	}
	defer p.source.Close()
	if err := p.connect(ctx); err != nil {
		return err
	}
	for range 2 {
		if err := r.write(ctx, rowsPerLife); err != nil {
			return err
		}
		b, err := p.read(ctx)
		if err != nil {
			return err
		}
		if err := r.suite.Disturb(); err != nil {
			return fmt.Errorf("disturbing: %w", err)
		}
		p.deliver(b)
		if err := b.Ack(ctx, nil); err != nil {
			return fmt.Errorf("ack: %w", err)
		}
		for r.topics.missing(r.rows) > 0 {
			b, err := p.read(ctx)
			if err != nil {
				return err
			}
			p.deliver(b)
			if err := b.Ack(ctx, nil); err != nil {
				return fmt.Errorf("ack: %w", err)
			}
		}
	}
	return p.source.Close()
}
