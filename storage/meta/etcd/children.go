package etcd

import (
	"slices"
	"strings"
)

// listPage is how many keys one request of a listing reads.
const listPage = 1000

// children gathers the names right below a key from the sorted keys in [prefix, end).
type children struct {
	prefix, end string
	names       []string
}

func newChildren(root, key string) *children {
	if key == "/" {
		key = ""
	}
	return &children{prefix: root + key + "/", end: root + key + after}
}

// after is the byte that follows the slash: [key+"/", key+after) is what lies below key.
const after = "0"

// add takes a key and returns where to read on when it was the last of its page: behind everything below the same child, or
// behind the child itself.
func (c *children) add(key string) (next string) {
	name, _, below := strings.Cut(key[len(c.prefix):], "/")
	// Keys of others may have empty segments, and the root's own key counts sequences; neither can be asked for by name.
	if name != "" && (len(c.names) == 0 || c.names[len(c.names)-1] != name) {
		c.names = append(c.names, name)
	}
	if below {
		return c.prefix + name + after
	}
	return key + "\x00"
}

// sorted returns each name once. A child and what lies below it need not be neighbours: "b!" and "b-" come between "b" and "b/".
func (c *children) sorted() []string {
	slices.Sort(c.names)
	return slices.Compact(c.names)
}
