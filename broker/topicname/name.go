// Package topicname takes topic names apart: persistent://tenant/namespace/name, short forms, partitions (interop §7.1). It is a leaf:
// topics, policies, placement and schemas name topics by it, so that there is one rule of what is a name.
package topicname

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// Name is a topic's full name taken apart: domain://tenant/namespace/local.
type Name struct {
	Persistent bool
	Tenant     string
	Namespace  string // without the tenant
	Local      string // as clients write it
	Partition  int    // the number behind "-partition-", or -1
}

const (
	persistent    = "persistent"
	nonPersistent = "non-persistent"
	partitionMark = "-partition-"

	// maxEncoded bounds tenant, namespace and encoded local name together, so that the keys made of them, with a subscription's name
	// behind, stay within what a metadata store takes.
	maxEncoded = 2048
)

// Parse reads a topic name: full, "tenant/namespace/local", or "local" in public/default. The error is a fault.TopicName. Names under
// topic:// and segment:// belong to Pulsar 5 and are refused, and so are names with a cluster in them (Pulsar 1).
func Parse(s string) (Name, error) {
	n := Name{Persistent: true, Partition: -1}
	parts := strings.Split(s, "/")
	if domain, rest, found := strings.Cut(s, "://"); found {
		switch domain {
		case persistent:
		case nonPersistent:
			n.Persistent = false
		case "topic", "segment":
			return Name{}, fault.TopicName.New("%.200q: %s:// is reserved for Pulsar 5", s, domain)
		default:
			return Name{}, fault.TopicName.New("%.200q: the domain is not %s or %s", s, persistent, nonPersistent)
		}
		if parts = strings.Split(rest, "/"); len(parts) < 3 {
			return Name{}, fault.TopicName.New("%.200q has no tenant/namespace/name", s)
		}
	}
	switch len(parts) {
	case 1:
		n.Tenant, n.Namespace, n.Local = "public", "default", s
	case 3:
		n.Tenant, n.Namespace, n.Local = parts[0], parts[1], parts[2]
	case 4:
		return Name{}, fault.TopicName.New("%.200q has four parts: names with a cluster are Pulsar 1's", s)
	default:
		return Name{}, fault.TopicName.New("%.200q is neither a name nor tenant/namespace/name", s)
	}
	if err := n.check(); err != nil {
		return Name{}, err
	}
	n.Partition = partition(n.Local)
	return n, nil
}

func (n Name) check() error {
	encoded := meta.EncodeName(n.Local)
	switch {
	case !ValidPart(n.Tenant):
		return fault.TopicName.New("the tenant %.200q", n.Tenant)
	case !ValidPart(n.Namespace):
		return fault.TopicName.New("the namespace %.200q", n.Namespace)
	case strings.TrimSpace(n.Local) == "" || n.Local == "." || n.Local == "..":
		return fault.TopicName.New("the name %q in %s", n.Local, n.FullNamespace())
	case !utf8.ValidString(n.Local):
		return fault.TopicName.New("%.200q is not UTF-8", n.Local)
	case len(n.Tenant)+len(n.Namespace)+len(encoded) > maxEncoded:
		return fault.TopicName.New("%.60q… is too long: %d bytes as a key, at most %d", n.Local, len(encoded), maxEncoded)
	}
	return nil
}

// CheckNew refuses names that nobody should begin to use, although Parse takes them: those with control characters, which no log, terminal or
// URL can show. Pulsar's protocol lets them through and its REST does not, so a topic that a client named so still works and can be deleted.
// The error is a fault.TopicName.
func (n Name) CheckNew() error {
	if strings.ContainsFunc(n.Local, unicode.IsControl) {
		return fault.TopicName.New("%.200q holds a control character", n.Local)
	}
	return nil
}

// ValidPart is Pulsar's rule for tenants, namespaces and clusters: letters, digits and - = : . _, not empty; "." and ".." would be no
// path segment.
func ValidPart(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-=:._", c) >= 0) {
			return false
		}
	}
	return s != "" && s != "." && s != ".."
}

// partition is the number behind the last "-partition-", or -1 when it is not written as Pulsar writes it.
func partition(local string) int {
	i := strings.LastIndex(local, partitionMark)
	if i < 0 {
		return -1
	}
	digits := local[i+len(partitionMark):]
	if p, err := strconv.ParseInt(digits, 10, 32); err == nil && p >= 0 && strconv.FormatInt(p, 10) == digits {
		return int(p)
	}
	return -1
}

// String is the full name.
func (n Name) String() string {
	return n.Domain() + "://" + n.Tenant + "/" + n.Namespace + "/" + n.Local
}

// Domain is persistent or non-persistent.
func (n Name) Domain() string {
	if n.Persistent {
		return persistent
	}
	return nonPersistent
}

// FullNamespace is tenant/namespace.
func (n Name) FullNamespace() string { return n.Tenant + "/" + n.Namespace }

// Partitioned is the name without "-partition-<n>": the partitioned topic that a partition belongs to. Others are unchanged.
func (n Name) Partitioned() Name {
	if n.Partition >= 0 {
		n.Local = n.Local[:strings.LastIndex(n.Local, partitionMark)]
		n.Partition = -1
	}
	return n
}

// Of is the name of partition p of n.
func (n Name) Of(p int) Name {
	n.Local += partitionMark + strconv.Itoa(p)
	n.Partition = p
	return n
}

// Encoded is the local name as a segment of a key.
func (n Name) Encoded() string { return meta.EncodeName(n.Local) }

// ManagedName is the name of the topic's managed ledger.
func (n Name) ManagedName() string {
	return n.Tenant + "/" + n.Namespace + "/" + persistent + "/" + n.Encoded()
}

// OfManaged is the topic whose managed ledger has that name; false when it is no topic's.
func OfManaged(name string) (Name, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 4 || parts[2] != persistent {
		return Name{}, false
	}
	local, err := meta.DecodeName(parts[3])
	if err != nil {
		return Name{}, false
	}
	n, err := Parse(persistent + "://" + parts[0] + "/" + parts[1] + "/" + local)
	return n, err == nil && n.ManagedName() == name
}

// SplitNamespace takes "tenant/namespace" apart and checks both; the error is a fault.NamespaceName.
func SplitNamespace(s string) (tenant, namespace string, err error) {
	tenant, namespace, ok := strings.Cut(s, "/")
	if !ok || !ValidPart(tenant) || !ValidPart(namespace) || len(s) > maxEncoded/4 {
		return "", "", fault.NamespaceName.New("%.200q", s)
	}
	return tenant, namespace, nil
}
