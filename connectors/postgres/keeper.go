package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pglogrepl"
)

// saveInterval is how much delivered work a crash may make the source deliver again (deduplication drops it), and the most often that a
// position is made durable.
const saveInterval = time.Second

// keeper moves the position of one connection: what the tracker says is done is saved, and only then confirmed to Postgres. It is a
// goroutine of its own so that the server hears from the source while nobody reads, because the broker does not take more.
type keeper struct {
	tracker *tracker
	// save makes p durable.
	save func(ctx context.Context, p position) error
	// report tells the server how far was received and what it need not keep; ask wants an answer.
	report func(received, confirmed pglogrepl.LSN, ask bool) error
	// fail is called once, with the first error; it makes Read return.
	fail func(error)

	reportEvery time.Duration // also how often an idle connection proves that it lives
	idleEvery   time.Duration // how often the position is saved when only time and others' WAL have passed

	saved    position // durable
	lastSave time.Time

	cancel context.CancelFunc
	joined sync.WaitGroup
}

// start runs the keeper; saved is the position that is durable now.
func (k *keeper) start(saved position) {
	k.saved = saved
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	k.joined.Go(func() {
		if err := k.run(ctx); err != nil && ctx.Err() == nil {
			k.fail(err)
		}
	})
}

func (k *keeper) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var reported time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-k.tracker.wake:
		case <-timer.C:
		}
		pos, received, reply := k.tracker.progress()
		now := time.Now()
		wait := k.due(pos, now)
		confirm := false
		if pos.lsn > k.saved.lsn && (wait <= 0 || reply) {
			if err := k.commit(ctx, pos); err != nil {
				return err
			}
			confirm, wait = true, k.reportEvery
		}
		ask := now.Sub(reported) >= k.reportEvery
		if confirm || reply || ask {
			if err := k.report(received, k.saved.lsn, ask); err != nil {
				return err
			}
			if ask {
				reported = now
			}
		}
		timer.Reset(min(wait, k.reportEvery-now.Sub(reported)))
	}
}

// due is how long pos may wait before it is saved.
func (k *keeper) due(pos position, now time.Time) time.Duration {
	switch {
	case pos.lsn == k.saved.lsn:
		return k.reportEvery
	case pos.row == k.saved.row:
		return k.idleEvery - now.Sub(k.lastSave)
	}
	return saveInterval - now.Sub(k.lastSave)
}

func (k *keeper) commit(ctx context.Context, pos position) error {
	if err := k.save(ctx, pos); err != nil {
		return err
	}
	k.saved, k.lastSave = pos, time.Now()
	return nil
}

// stop ends the goroutine. What was done since the last save is for settle.
func (k *keeper) stop() {
	k.cancel()
	k.joined.Wait()
}

// settle saves what was done since the last save (always: also when that is nothing), and tells the server if it still listens. Only
// after stop; it may be called again, because acknowledgements may still come.
func (k *keeper) settle(ctx context.Context, always bool) error {
	pos, received, _ := k.tracker.progress()
	if pos.lsn <= k.saved.lsn && !always {
		return nil
	}
	if err := k.commit(ctx, pos); err != nil {
		return err
	}
	k.report(received, k.saved.lsn, false)
	return nil
}
