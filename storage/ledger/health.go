package ledger

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/strobemq/strobe/storage/bk"
)

// What the client remembers of bookies and metadata that failed, for all ledgers together.

// sentence is how long a bookie that failed is avoided.
type sentence struct {
	until  time.Time
	length time.Duration
}

// sentences of a bookie that fails again and again grow from Options.Quarantine/firstSentence.
const firstSentence = 16

// quarantine keeps a bookie that failed out of new ensembles for a while, where there are others. It reports whether that is news: a
// bookie that goes is missed by many ledgers.
func (c *Client) quarantine(id string, why error) bool {
	hung := errors.Is(why, bk.ErrTimeout) || errors.Is(why, bk.ErrTooMany)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	s, was := c.quarantined[id]
	switch {
	case was && now.Before(s.until) && !hung:
		return false
	case hung:
		s.length = c.o.Quarantine
	case !was || now.After(s.until.Add(c.o.Quarantine)):
		s.length = c.o.Quarantine / firstSentence
	default:
		s.length = min(2*s.length, c.o.Quarantine)
	}
	news := !now.Before(s.until)
	s.until = now.Add(s.length)
	c.quarantined[id] = s
	return news
}

// avoided is the bookies in quarantine.
func (c *Client) avoided() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []string
	now := time.Now()
	for id, s := range c.quarantined {
		switch {
		case now.Before(s.until):
			ids = append(ids, id)
		case now.After(s.until.Add(c.o.Quarantine)):
			delete(c.quarantined, id) // it was good for long
		}
	}
	return ids
}

// lagOf is the bytes that wait for a bookie in all ledgers.
func (c *Client) lagOf(id string) *atomic.Int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	lag := c.lags[id]
	if lag == nil {
		lag = new(atomic.Int64)
		c.lags[id] = lag
	}
	return lag
}

// metaAway reports whether the metadata did not answer just now.
func (c *Client) metaAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.away)
}

// sawMetaAway notes that the metadata did not answer. It reports whether that is news.
func (c *Client) sawMetaAway() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	news := now.Sub(c.away) > awayNews
	c.away = now.Add(probePause)
	return news
}
