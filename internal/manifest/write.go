package manifest

import (
	"bytes"
	"fmt"
	"reflect"
	"sort"

	"go.yaml.in/yaml/v4"
)

// Write gives the resources as YAML that Read takes. Keys come in the order of the description, values that are not set are left out.
func Write(rs ...Resource) ([]byte, error) {
	if len(rs) == 0 {
		return nil, nil
	}
	var buf bytes.Buffer
	enc := yaml.NewEncoder(&buf)
	enc.SetIndent(2)
	for i := range rs {
		if err := enc.Encode(rs[i].node()); err != nil {
			return nil, fmt.Errorf("%s: %w", rs[i].ID(), err)
		}
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func (r *Resource) node() *yaml.Node {
	doc := &yaml.Node{Kind: yaml.MappingNode}
	add(doc, "apiVersion", APIVersion)
	add(doc, "kind", r.Kind)
	add(doc, "metadata", fieldsNode(metadataFields(&r.Metadata)))
	add(doc, "spec", fieldsNode(specFields(r)))
	return doc
}

func fieldsNode(fields []field) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields {
		if v := f.write(); v != nil {
			add(n, f.key, v)
		}
	}
	return n
}

func add(n *yaml.Node, key string, v any) {
	k, val := &yaml.Node{}, &yaml.Node{}
	k.SetString(key)
	if node, ok := v.(*yaml.Node); ok {
		val = node
	} else if err := val.Encode(v); err != nil {
		val.SetString(fmt.Sprint(v)) // cannot happen for the types of fields
	}
	n.Content = append(n.Content, k, val)
}

// Change is one key that differs between two states of a resource. Old or New is nil where the key is not set.
type Change struct {
	Key      string
	Old, New any
}

// Diff lists what must change to turn have into want. Only keys of the spec count; keys that want leaves out keep their value.
func Diff(have, want Resource) []Change {
	old := map[string]any{}
	for _, f := range specFields(&have) {
		old[f.key] = f.write()
	}
	var out []Change
	for _, f := range specFields(&want) {
		v := f.write()
		if v == nil || reflect.DeepEqual(v, old[f.key]) {
			continue
		}
		out = append(out, deeper(f.key, old[f.key], v)...)
	}
	return out
}

// deeper reports the keys below a mapping that differ instead of the whole.
func deeper(key string, old, want any) []Change {
	o, okOld := entries(old)
	w, okNew := entries(want)
	if !okNew || (old != nil && !okOld) {
		return []Change{{Key: key, Old: old, New: want}}
	}
	names := map[string]bool{}
	for k := range o {
		names[k] = true
	}
	for k := range w {
		names[k] = true
	}
	var sorted []string
	for k := range names {
		sorted = append(sorted, k)
	}
	sort.Strings(sorted)
	var out []Change
	for _, k := range sorted {
		if !reflect.DeepEqual(o[k], w[k]) {
			out = append(out, Change{Key: key + "." + k, Old: o[k], New: w[k]})
		}
	}
	return out
}

func entries(v any) (map[string]any, bool) {
	switch m := v.(type) {
	case map[string]any:
		return m, true
	case map[string]string:
		out := map[string]any{}
		for k, s := range m {
			out[k] = s
		}
		return out, true
	}
	return nil, false
}
