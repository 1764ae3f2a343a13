package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/strobemq/strobe/internal/fault"
)

// value is a YAML node with the path by which people would name it.
type value struct {
	*yaml.Node
	path string
}

// decoder collects every error of a file instead of stopping at the first.
type decoder struct {
	file string
	errs []error
}

func (d *decoder) where(n *yaml.Node) string {
	return fmt.Sprintf("%s:%d:%d", d.file, n.Line, n.Column)
}

func (d *decoder) fail(f *fault.Fault, n *yaml.Node, format string, args ...any) {
	d.errs = append(d.errs, f.New("%s: %s", d.where(n), fmt.Sprintf(format, args...)))
}

// documents splits the text into its YAML documents.
func (d *decoder) documents(data []byte) []*yaml.Node {
	var docs []*yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return docs
		}
		if err != nil {
			d.errs = append(d.errs, fault.ManifestSyntax.New("%s: %w", d.file, err))
			return docs
		}
		if len(doc.Content) == 1 && doc.Content[0].Tag != "!!null" {
			docs = append(docs, doc.Content[0])
		}
	}
}

// fields reads a mapping into fields: unknown, doubled and missing keys are errors.
func (d *decoder) fields(n value, fields []field) {
	if !d.kind(n, yaml.MappingNode, "a mapping") {
		return
	}
	var keys []string
	for _, f := range fields {
		keys = append(keys, f.key)
	}
	seen := d.eachKey(n, func(key *yaml.Node, v value) {
		for _, f := range fields {
			if f.key == key.Value {
				if v.Tag == "!!null" {
					d.fail(fault.ManifestBadValue, v.Node, "%s has no value; want a %s", v.path, f.kind)
					return
				}
				f.read(d, v)
				return
			}
		}
		d.fail(fault.ManifestUnknownKey, key, "%s%s", v.path, fault.DidYouMean(key.Value, keys))
	})
	for _, f := range fields {
		if f.required && !seen[f.key] {
			d.fail(fault.ManifestMissing, n.Node, "%s.%s", n.path, f.key)
		}
	}
}

// eachKey calls visit for each key of a mapping, each once.
func (d *decoder) eachKey(n value, visit func(key *yaml.Node, v value)) map[string]bool {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		if val.Kind == yaml.AliasNode {
			val = val.Alias
		}
		path := key.Value
		if n.path != "" {
			path = n.path + "." + key.Value
		}
		if seen[key.Value] {
			d.fail(fault.ManifestTwice, key, "%s", path)
			continue
		}
		seen[key.Value] = true
		visit(key, value{val, path})
	}
	return seen
}

func (d *decoder) kind(v value, kind yaml.Kind, want string) bool {
	if v.Kind != kind {
		d.fail(fault.ManifestBadValue, v.Node, "%s: want %s", v.path, want)
		return false
	}
	return true
}

func (d *decoder) text(v value) (string, bool) {
	if !d.kind(v, yaml.ScalarNode, "a string") {
		return "", false
	}
	return v.Value, true
}

func (d *decoder) choice(v value, of []string) (string, bool) {
	s, ok := d.text(v)
	if !ok {
		return "", false
	}
	for _, c := range of {
		if s == c {
			return s, true
		}
	}
	d.fail(fault.ManifestBadValue, v.Node, "%s: %q; want %s%s", v.path, s, join(of), fault.DidYouMean(s, of))
	return "", false
}

func (d *decoder) list(v value) ([]string, bool) {
	if !d.kind(v, yaml.SequenceNode, "a list of strings") {
		return nil, false
	}
	var out []string
	for i, n := range v.Content {
		if s, ok := d.text(value{n, v.path + "[" + strconv.Itoa(i) + "]"}); ok {
			out = append(out, s)
		}
	}
	return out, true
}

func (d *decoder) number(v value, low, high int64) (int64, bool) {
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if v.Kind != yaml.ScalarNode || err != nil || n < low || n > high {
		d.fail(fault.ManifestBadValue, v.Node, "%s: want a whole number from %d to %d", v.path, low, high)
		return 0, false
	}
	return n, true
}

func (d *decoder) boolean(v value) (bool, bool) {
	if v.Kind != yaml.ScalarNode || (v.Value != "true" && v.Value != "false") {
		d.fail(fault.ManifestBadValue, v.Node, "%s: want true or false", v.path)
		return false, false
	}
	return v.Value == "true", true
}

func (d *decoder) size(v value, unlimited bool) (int64, bool) {
	n, err := ParseSize(v.Value, unlimited)
	if v.Kind != yaml.ScalarNode || err != nil {
		d.fail(fault.ManifestBadValue, v.Node, "%s: want a size such as 64MiB", v.path)
		return 0, false
	}
	return n, true
}

func (d *decoder) duration(v value, forever bool) (time.Duration, bool) {
	n, err := ParseDuration(v.Value, forever)
	if v.Kind != yaml.ScalarNode || err != nil {
		d.fail(fault.ManifestBadValue, v.Node, "%s: want a duration such as 500ms, 12h or 7d", v.path)
		return 0, false
	}
	return n, true
}

func (d *decoder) stringMap(v value) (map[string]string, bool) {
	if !d.kind(v, yaml.MappingNode, "a mapping") {
		return nil, false
	}
	out := map[string]string{}
	d.eachKey(v, func(key *yaml.Node, e value) {
		if s, ok := d.text(e); ok {
			out[key.Value] = s
		}
	})
	return out, true
}

// mapping decodes a mapping whose keys are somebody else's to judge.
func (d *decoder) mapping(v value) (map[string]any, bool) {
	if !d.kind(v, yaml.MappingNode, "a mapping") {
		return nil, false
	}
	d.eachKey(v, func(*yaml.Node, value) {}) // doubled keys
	out := map[string]any{}
	if err := v.Decode(&out); err != nil {
		d.fail(fault.ManifestBadValue, v.Node, "%s: %v", v.path, err)
		return nil, false
	}
	return out, true
}
