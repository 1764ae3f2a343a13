package config

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/strobemq/strobe/internal/fault"
)

// maxFile is the largest configuration file that is read.
const maxFile = 1 << 20

// readFile takes every key of a YAML file of the form section: {key: value}. A dotted key at the top ("broker.x: 1") is taken too.
func (c *Config) readFile(path string) []error {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	if err != nil {
		return []error{fault.ConfigSyntax.New("%s: %w", path, err)}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return []error{fault.ConfigSyntax.New("%s: %w", path, err)}
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return []error{fault.ConfigSyntax.New("%s: %w", path, err)}
	}
	if len(doc.Content) == 0 {
		return nil // an empty file sets nothing
	}
	r := fileReader{c: c, path: path, seen: map[string]string{}}
	r.mapping(doc.Content[0], "")
	return r.errs
}

type fileReader struct {
	c    *Config
	path string
	seen map[string]string // key -> where it stood
	errs []error
}

func (r *fileReader) mapping(n *yaml.Node, prefix string) {
	if n.Kind != yaml.MappingNode {
		r.errs = append(r.errs, fault.ConfigSyntax.New("%s: want a mapping", r.where(n)))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := prefix + key.Value
		if value.Kind == yaml.MappingNode {
			if prefix == "" && slices.Contains(sections, name) {
				r.mapping(value, name+".")
				continue
			}
			r.errs = append(r.errs, fault.ConfigUnknownKey.New("%s: section %s%s", r.where(key), name, fault.DidYouMean(name, sections)))
			continue
		}
		if value.Tag == "!!null" && slices.Contains(sections, name) {
			continue // a heading whose keys are all commented out
		}
		if first, twice := r.seen[name]; twice {
			r.errs = append(r.errs, fault.ConfigDuplicate.New("%s: %s, first at %s", r.where(key), name, first))
			continue
		}
		r.seen[name] = r.where(key)
		text, err := scalar(value)
		if err != nil {
			r.errs = append(r.errs, fault.ConfigBadValue.New("%s: %s: %v", r.where(value), name, err))
			continue
		}
		if err := r.c.Set(name, text, r.where(value)); err != nil {
			r.errs = append(r.errs, err)
		}
	}
}

func (r *fileReader) where(n *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", r.path, n.Line, n.Column)
}

// scalar is the written form of a value; a sequence becomes a list with commas.
func scalar(n *yaml.Node) (string, error) {
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "", fmt.Errorf("no value")
		}
		return n.Value, nil
	case yaml.SequenceNode:
		var parts []string
		for _, e := range n.Content {
			if e.Kind != yaml.ScalarNode || strings.Contains(e.Value, ",") {
				return "", fmt.Errorf("want a list of plain words")
			}
			parts = append(parts, e.Value)
		}
		return strings.Join(parts, ","), nil
	}
	return "", fmt.Errorf("want a plain value or a list")
}
