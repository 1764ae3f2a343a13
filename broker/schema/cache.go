package schema

import (
	"sync"
)

const (
	// cachedTopics is how many topics' locators are remembered, those without schemas included.
	cachedTopics = 1 << 14
	// cachedBytes is how much of schemas is remembered.
	cachedBytes = 8 << 20
)

// cache remembers locators until the watch tells of a change, and schemas, which never change, by their ledger. What was read before a change and
// put after it is not remembered. At the limits some are forgotten.
type cache struct {
	mu      sync.Mutex
	topics  map[string]*topicSchemas
	changes uint64
	schemas map[int64]*Schema
	bytes   int
}

func (c *cache) topic(key string) (t *topicSchemas, ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.topics[key], c.changes
}

func (c *cache) putTopic(key string, t *topicSchemas, ticket uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ticket != c.changes {
		return
	}
	if c.topics == nil {
		c.topics = map[string]*topicSchemas{}
	}
	for old := range c.topics {
		if len(c.topics) < cachedTopics {
			break
		}
		delete(c.topics, old)
	}
	c.topics[key] = t
}

// drop forgets a topic; the watched prefix itself comes from a watch that lost events.
func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	delete(c.topics, key)
	if key == schemasKey {
		clear(c.topics)
	}
}

func (c *cache) schema(ledger int64) *Schema {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.schemas[ledger]
}

func (c *cache) putSchema(ledger int64, s *Schema) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.schemas == nil {
		c.schemas = map[int64]*Schema{}
	}
	if _, ok := c.schemas[ledger]; ok {
		return
	}
	c.schemas[ledger] = s
	c.bytes += s.size()
	for old := range c.schemas {
		if c.bytes <= cachedBytes {
			break
		}
		c.bytes -= c.schemas[old].size()
		delete(c.schemas, old)
	}
}

func (s *Schema) size() int {
	n := 200 + len(s.Data) + len(s.User)
	for _, p := range s.Properties {
		n += 32 + len(p.Key) + len(p.Value)
	}
	return n
}
