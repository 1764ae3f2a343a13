// Package manifest holds the resource kinds that files describe: Topic, Function, Source. It reads YAML strictly (every unknown
// key, wrong type and missing key is an error with file, line and column, all of them at once), writes the same form back,
// and tells how two states of a resource differ.
//
//	apiVersion: strobe/v1
//	kind: Function
//	metadata: {name: enrich}
//	spec: {...}
package manifest

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// APIVersion is the only version of the form.
const APIVersion = "strobe/v1"

// Kinds a file may hold.
const (
	KindTopic    = "Topic"
	KindFunction = "Function"
	KindSource   = "Source"
)

// Metadata names a resource. The zero tenant and namespace are public and default.
type Metadata struct {
	Tenant    string
	Namespace string
	Name      string
}

// String is tenant/namespace/name.
func (m Metadata) String() string { return m.Tenant + "/" + m.Namespace + "/" + m.Name }

// Resource is one document of a file. Exactly one of the specs is set, that of Kind.
type Resource struct {
	Kind     string
	Metadata Metadata
	Topic    *Topic
	Function *Function
	Source   *Source

	Where string // file:line:column of the document; empty if it came from elsewhere
	Dir   string // directory of the file, against which paths in it are taken
}

// ID is how people name the resource: "Function public/default/enrich".
func (r Resource) ID() string { return r.Kind + " " + r.Metadata.String() }

// Topic is the spec of a topic.
type Topic struct {
	Partitions    int64          // 0: a topic without partitions
	Deduplication *bool          // nil: as the namespace says
	RetentionTime *time.Duration // nil: as the namespace says; negative: for ever
	RetentionSize *int64         // bytes; negative: any
}

// Function is the spec of a function.
type Function struct {
	Wasm         string // path of the module; taken against the file's directory
	SHA256       string // of the module deployed; printed, and when given it must match
	Inputs       []string
	Output       string
	Config       map[string]string
	Parallelism  int64
	Guarantee    string
	Subscription string
	Position     string
	Ordered      bool
	MaxAttempts  int64 // 0: the worker's default
	DeadLetter   string
	LogTopic     string
	Memory       int64         // bytes; 0: the worker's default
	Deadline     time.Duration // 0: the worker's default
}

// Source is the spec of a source connector.
type Source struct {
	Connector   string
	Config      map[string]any // as written, secrets as references
	DeadLetter  string
	MaxAttempts int64
}

// FullTopic turns a topic as people write it (orders, tenant/ns/orders, persistent://…) into its full name, within the
// resource's tenant and namespace.
func (m Metadata) FullTopic(name string) string {
	if strings.Contains(name, "://") {
		return name
	}
	if strings.Count(name, "/") == 2 {
		return "persistent://" + name
	}
	return fmt.Sprintf("persistent://%s/%s/%s", m.Tenant, m.Namespace, name)
}

// WasmPath is where the module of a function lies: paths in a file are taken against the file's directory.
func (r Resource) WasmPath() string {
	if r.Function.Wasm == "" || filepath.IsAbs(r.Function.Wasm) {
		return r.Function.Wasm
	}
	return filepath.Join(r.Dir, r.Function.Wasm)
}
