package segment

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// compactions lets the table compact, one compaction at a time, once it is open. Pebble's own scheduler begins while the database opens; when
// the opening then fails, as on a full disk, the compaction goes on with files and caches that are closed, and panics (Pebble 2.1.7).
//
// Its lock is never held while Pebble is called: Pebble calls it with its own held.
type compactions struct {
	pebble.ConcurrencyLimitScheduler // for the reports of a compaction, with which it does nothing; the rest is replaced

	mu       sync.Mutex
	db       pebble.DBForCompaction
	begun    bool
	over     bool
	running  bool
	granting int  // calls under way
	refused  bool // TrySchedule was, since the last look
	granted  sync.Cond
}

func newCompactions() *compactions {
	c := &compactions{}
	c.granted.L = &c.mu
	return c
}

// begin is called once, after the opening.
func (c *compactions) begin() {
	c.mu.Lock()
	c.begun = true
	c.mu.Unlock()
	c.grant()
}

// Register is the first call of Pebble's.
func (c *compactions) Register(_ int, db pebble.DBForCompaction) { c.db = db }

// Unregister comes when the database closes; nothing is begun after it.
func (c *compactions) Unregister() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for c.granting > 0 {
		c.granted.Wait()
	}
}

// TrySchedule is asked when there is something to compact. What is refused waits for grant.
func (c *compactions) TrySchedule() (bool, pebble.CompactionGrantHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.begun || c.over || c.running {
		c.refused = true
		return false, nil
	}
	c.running = true
	return true, c
}

// UpdateGetAllowedWithoutPermission says that there may be more at a time: here it is always one.
func (c *compactions) UpdateGetAllowedWithoutPermission() {}

// Done ends a compaction.
func (c *compactions) Done() {
	c.mu.Lock()
	c.running = false
	c.mu.Unlock()
	c.grant()
}

// grant begins what waits. What is refused because of it is looked at again.
func (c *compactions) grant() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for again := true; again && !c.over && !c.running; again = c.refused {
		c.running, c.refused = true, false
		c.granting++
		c.mu.Unlock()
		waiting, _ := c.db.GetWaitingCompaction()
		begun := waiting && c.db.Schedule(c)
		c.mu.Lock()
		c.granting--
		c.granted.Broadcast()
		if begun {
			return // and it may be done already
		}
		c.running = false
	}
}
