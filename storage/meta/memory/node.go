package memory

import (
	"maps"
	"slices"
	"strings"

	"github.com/strobemq/strobe/storage/meta"
)

// node is one path segment. A node without a value stands only while something lies below it.
type node struct {
	children map[string]*node
	value    *value
}

type value struct {
	meta.Value
	owner *session // of an ephemeral value
}

func (n *node) find(key string) *node {
	for segment := range strings.SplitSeq(key[1:], "/") {
		if n = n.children[segment]; n == nil {
			return nil
		}
	}
	return n
}

// make is find that creates what is missing.
func (n *node) make(key string) *node {
	for segment := range strings.SplitSeq(key[1:], "/") {
		child := n.children[segment]
		if child == nil {
			child = &node{}
			if n.children == nil {
				n.children = map[string]*node{}
			}
			n.children[segment] = child
		}
		n = child
	}
	return n
}

// remove takes the value at key away, and the nodes above it that held nothing else.
func (n *node) remove(key string) {
	segment, rest, below := strings.Cut(key[1:], "/")
	child := n.children[segment]
	if below {
		child.remove("/" + rest)
	} else {
		child.value = nil
	}
	if child.value == nil && len(child.children) == 0 {
		delete(n.children, segment)
	}
}

// names are the children's, sorted.
func (n *node) names() []string {
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(n.children))
}
