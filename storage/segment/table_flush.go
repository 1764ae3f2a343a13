package segment

import "github.com/cockroachdb/pebble/v2"

// maxBacklog is how many bytes of changes may wait for a flush before a change asks for one. While the disk is full they may
// become twice as many, so that deletes, which make room, go on.
const maxBacklog = 4 << 20

// change applies one atomic change, which is durable after the next flush. It does not wait for a full disk.
func (t *table) change(fill func(b *pebble.Batch) error) error {
	return t.use(func(db *pebble.DB) error {
		if db == nil {
			return errTableBroken
		}
		b := db.NewBatch()
		defer b.Close()
		if err := fill(b); err != nil {
			return err
		}
		if t.backlog > maxBacklog {
			if err := t.flushWith(db); err != nil && t.backlog > 2*maxBacklog {
				return err
			}
		}
		t.version.Add(1)
		defer t.version.Add(1)
		t.backlog += b.Len()
		return b.Commit(pebble.NoSync)
	})
}

// flush makes every change so far durable. On a full disk it returns errTableFull at once; the flush goes on by itself when there
// is space, and the next one waits for it.
func (t *table) flush() error {
	return t.use(func(db *pebble.DB) error {
		if db == nil {
			return nil
		}
		return t.flushWith(db)
	})
}

func (t *table) flushWith(db *pebble.DB) error {
	defer phase(t.log, "table flush")()
	if err := t.flushed(); err != nil {
		return err
	}
	if _, trouble := t.disk.trouble(); trouble != nil {
		return trouble
	}
	done, err := db.AsyncFlush()
	if err != nil {
		return err
	}
	t.flushing, t.begun = done, t.backlog
	return t.flushed()
}

// flushed waits for the flush that was begun.
func (t *table) flushed() error {
	for t.flushing != nil {
		changed, trouble := t.disk.trouble()
		select {
		case <-t.flushing:
			if t.disk.isFrozen() {
				return errTableBroken
			}
			t.flushing = nil
			t.backlog -= t.begun
			continue
		default:
		}
		if trouble != nil {
			return trouble
		}
		select {
		case <-t.flushing:
		case <-changed:
		case <-t.dead:
			return errTableBroken
		}
	}
	return nil
}

// trouble is why nothing gets into the table's files now, nil if nothing is known to be wrong.
func (t *table) trouble() error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.broken.Load() {
		return errTableBroken
	}
	if t.disk == nil {
		return nil
	}
	_, err := t.disk.trouble()
	return err
}

// retry has what waits for space try again now.
func (t *table) retry() {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if t.disk != nil {
		t.disk.change(func() {})
	}
}
