package policy

import (
	"maps"
	"sync"

	"github.com/strobemq/strobe/storage/meta"
)

// cacheSize is how many documents are remembered, those that do not exist included. At the limit some are forgotten.
const cacheSize = 1 << 16

// cache remembers documents by key; nil stands for a key without a value. A reader asks for a ticket before it reads the metadata, and
// what it read is remembered only if nothing changed since, so that no old value is remembered for ever.
type cache struct {
	mu        sync.Mutex
	documents map[string]*document
	changes   uint64
}

func (c *cache) get(key string) (d *document, ok bool, ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok = c.documents[key]
	return d, ok, c.changes
}

func (c *cache) put(key string, d *document, ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.changes != ticket {
		return
	}
	if c.documents == nil {
		c.documents = map[string]*document{}
	}
	for old := range c.documents {
		if len(c.documents) < cacheSize {
			break
		}
		delete(c.documents, old)
	}
	c.documents[key] = d
}

// drop forgets key. The watched prefixes themselves come from a watch that lost events: everything below them is forgotten.
func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.documents, key)
	if key == adminKey || key == topicPoliciesKey {
		maps.DeleteFunc(c.documents, func(k string, _ *document) bool { return meta.Below(k, key) })
	}
}
