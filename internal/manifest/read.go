package manifest

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/strobemq/strobe/internal/fault"
)

// maxFile is the largest resource file that is read.
const maxFile = 8 << 20

// ConnectorOption is one configuration key of a connector, as far as a file can be checked against it.
type ConnectorOption struct {
	Key      string // dotted path
	Type     string // string, int, bool, duration, list, map, secret
	Required bool
}

// Connectors tells the connectors a Source may name and their keys. nil: the files are not checked against them.
type Connectors map[string][]ConnectorOption

// ReadFiles reads files, directories (their *.yaml and *.yml) and "-" (standard input), and returns all resources and all
// errors.
func ReadFiles(paths []string, stdin io.Reader, known Connectors) ([]Resource, []error) {
	var all []Resource
	var errs []error
	for _, p := range paths {
		files := []string{p}
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			files = nil
			for _, pattern := range []string{"*.yaml", "*.yml"} {
				more, err := filepath.Glob(filepath.Join(p, pattern))
				if err != nil {
					return nil, []error{fault.ManifestSyntax.New("%s: %w", p, err)}
				}
				files = append(files, more...)
			}
			sort.Strings(files)
			if len(files) == 0 {
				errs = append(errs, fault.ManifestSyntax.New("%s: no .yaml file in this directory", p))
			}
		}
		for _, f := range files {
			data, err := readLimited(f, stdin)
			if err != nil {
				errs = append(errs, fault.ManifestSyntax.New("%s: %w", f, err))
				continue
			}
			more, e := Read(f, data, known)
			all, errs = append(all, more...), append(errs, e...)
		}
	}
	seen := map[string]string{}
	for _, r := range all {
		if first, twice := seen[r.ID()]; twice {
			errs = append(errs, fault.ManifestTwice.New("%s: %s, first at %s", r.Where, r.ID(), first))
		}
		seen[r.ID()] = r.Where
	}
	return all, errs
}

func readLimited(path string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// Read reads the resources of one file; file is its name in errors and the base of paths in it.
func Read(file string, data []byte, known Connectors) ([]Resource, []error) {
	d := &decoder{file: file}
	var out []Resource
	for _, doc := range d.documents(data) {
		if r, ok := d.resource(doc, known); ok {
			r.Where = d.where(doc)
			r.Dir = filepath.Dir(file)
			out = append(out, r)
		}
	}
	return out, d.errs
}

func (d *decoder) resource(doc *yaml.Node, known Connectors) (Resource, bool) {
	var r Resource
	before := len(d.errs)
	root := value{doc, ""}
	if !d.kind(value{doc, "document"}, yaml.MappingNode, "a mapping with apiVersion, kind, metadata and spec") {
		return r, false
	}
	version, ok := lookup(doc, "apiVersion")
	if !ok || version.Value != APIVersion {
		at := doc
		if ok {
			at = version
		}
		d.fail(fault.ManifestKind, at, "want apiVersion: %s", APIVersion)
		return r, false
	}
	kinds := []string{KindTopic, KindFunction, KindSource}
	if kind, ok := lookup(doc, "kind"); ok {
		r.Kind = kind.Value
		if !r.newSpec() {
			d.fail(fault.ManifestKind, kind, "kind %q; want %s%s", kind.Value, join(kinds), fault.DidYouMean(kind.Value, kinds))
			return r, false
		}
	} else {
		d.fail(fault.ManifestKind, doc, "no kind; want %s", join(kinds))
		return r, false
	}
	var metadataNode *yaml.Node
	ignored := func(*decoder, value) {}
	d.fields(root, []field{
		{key: "apiVersion", kind: "string", read: ignored},
		{key: "kind", kind: "string", read: ignored},
		{key: "metadata", kind: "mapping", required: true, read: func(d *decoder, v value) {
			metadataNode = v.Node
			d.fields(v, metadataFields(&r.Metadata))
		}},
		{key: "spec", kind: "mapping", required: r.Kind != KindTopic, read: func(d *decoder, v value) {
			d.fields(v, specFields(&r))
			d.judge(&r, v)
		}},
	})
	if metadataNode != nil {
		d.completeName(&r.Metadata, metadataNode)
		if r.Kind == KindSource {
			d.connector(r, doc, known)
		}
		if r.Kind == KindFunction {
			d.loop(r, doc)
		}
	}
	return r, len(d.errs) == before
}

var nameForm = regexp.MustCompile(`^[-=:.\w]+$`)

// completeName splits tenant/namespace/name and fills what was left out.
func (d *decoder) completeName(m *Metadata, n *yaml.Node) {
	if parts := strings.Split(m.Name, "/"); len(parts) == 3 && m.Tenant == "" && m.Namespace == "" {
		m.Tenant, m.Namespace, m.Name = parts[0], parts[1], parts[2]
	}
	if m.Tenant == "" {
		m.Tenant = "public"
	}
	if m.Namespace == "" {
		m.Namespace = "default"
	}
	for _, part := range []string{m.Tenant, m.Namespace, m.Name} {
		if part != "" && !nameForm.MatchString(part) {
			d.fail(fault.ManifestBadValue, n, "metadata: %q; want letters, digits and - _ . : =", part)
		}
	}
}

// judge checks what single fields cannot.
func (d *decoder) judge(r *Resource, spec value) {
	if f := r.Function; f != nil && f.Wasm == "" && f.SHA256 == "" {
		d.fail(fault.ManifestMissing, spec.Node, "spec.wasm")
	}
	if f := r.Function; f != nil && f.Guarantee == "effectively-once" {
		f.Ordered = true // decisions: effectively-once reads Exclusive or Failover only
	}
}

func (d *decoder) loop(r Resource, doc *yaml.Node) {
	f := r.Function
	for _, in := range f.Inputs {
		if f.Output != "" && r.Metadata.FullTopic(in) == r.Metadata.FullTopic(f.Output) {
			at := doc
			if spec, ok := lookup(doc, "spec"); ok {
				if out, ok := lookup(spec, "output"); ok {
					at = out
				}
			}
			d.fail(fault.ManifestLoop, at, "%s", f.Output)
		}
	}
}

// connector checks the configuration of a source against the connector's keys.
func (d *decoder) connector(r Resource, doc *yaml.Node, known Connectors) {
	spec, ok := lookup(doc, "spec")
	if !ok || known == nil || r.Source.Connector == "" {
		return
	}
	options, ok := known[r.Source.Connector]
	if !ok {
		at, _ := lookup(spec, "connector")
		var names []string
		for n := range known {
			names = append(names, n)
		}
		sort.Strings(names)
		d.fail(fault.ManifestBadValue, at, "spec.connector: no connector %q; there are %s%s", r.Source.Connector,
			strings.Join(names, ", "), fault.DidYouMean(r.Source.Connector, names))
		return
	}
	config, ok := lookup(spec, "config")
	if !ok {
		config = &yaml.Node{Kind: yaml.MappingNode, Line: spec.Line, Column: spec.Column}
	}
	given := map[string]bool{}
	d.connectorKeys(config, "", options, given)
	for _, o := range options {
		if o.Required && !given[o.Key] {
			d.fail(fault.ManifestMissing, config, "spec.config.%s", o.Key)
		}
	}
}

func (d *decoder) connectorKeys(n *yaml.Node, prefix string, options []ConnectorOption, given map[string]bool) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		name := prefix + key.Value
		var keys []string
		heading, found := false, false
		for _, o := range options {
			keys = append(keys, o.Key)
			heading = heading || strings.HasPrefix(o.Key, name+".")
			if o.Key == name {
				found = true
				given[name] = true
				d.optionType(value{val, "spec.config." + name}, o)
			}
		}
		switch {
		case found:
		case heading:
			d.connectorKeys(val, name+".", options, given)
		default:
			d.fail(fault.ManifestUnknownKey, key, "spec.config.%s%s", name, fault.DidYouMean(name, keys))
		}
	}
}

func (d *decoder) optionType(v value, o ConnectorOption) {
	switch o.Type {
	case "int":
		if _, err := strconv.ParseInt(v.Value, 10, 64); v.Kind != yaml.ScalarNode || err != nil {
			d.fail(fault.ManifestBadValue, v.Node, "%s: want a whole number", v.path)
		}
	case "bool":
		d.boolean(v)
	case "duration":
		d.duration(v, false)
	case "list":
		d.list(v)
	case "map":
		d.kind(v, yaml.MappingNode, "a mapping")
	case "secret":
		if s, ok := d.text(v); ok && !strings.HasPrefix(s, "env:") && !strings.HasPrefix(s, "file:") {
			d.fail(fault.ManifestSecret, v.Node, "%s", v.path)
		}
	default:
		d.text(v)
	}
}

func lookup(n *yaml.Node, key string) (*yaml.Node, bool) {
	if n.Kind != yaml.MappingNode {
		return nil, false
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1], true
		}
	}
	return nil, false
}
