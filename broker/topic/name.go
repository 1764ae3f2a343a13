package topic

import (
	"strconv"
	"strings"

	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/managed"
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
)

// ParseName reads a topic name: full, "tenant/namespace/local", or "local" in public/default. Names under topic:// and segment:// are
// reserved. A *Refusal when it is no name.
func ParseName(s string) (Name, error) {
	n := Name{Persistent: true, Partition: -1}
	rest := s
	if domain, after, found := strings.Cut(s, "://"); found {
		switch domain {
		case persistent:
		case nonPersistent:
			n.Persistent = false
		default:
			return Name{}, refuse(wire.InvalidTopicName, fault.TopicName, "%q: the domain is not %s or %s", s, persistent, nonPersistent)
		}
		rest = after
		parts := strings.SplitN(rest, "/", 3)
		if len(parts) < 3 {
			return Name{}, refuse(wire.InvalidTopicName, fault.TopicName, "%q has no tenant/namespace/name", s)
		}
		n.Tenant, n.Namespace, n.Local = parts[0], parts[1], parts[2]
	} else {
		switch parts := strings.Split(rest, "/"); len(parts) {
		case 1:
			n.Tenant, n.Namespace, n.Local = "public", "default", rest
		case 3:
			n.Tenant, n.Namespace, n.Local = parts[0], parts[1], parts[2]
		default:
			return Name{}, refuse(wire.InvalidTopicName, fault.TopicName, "%q is neither a name nor tenant/namespace/name", s)
		}
	}
	if !validPart(n.Tenant) || !validPart(n.Namespace) || strings.TrimSpace(n.Local) == "" || len(s) > maxName {
		return Name{}, refuse(wire.InvalidTopicName, fault.TopicName, "%q", s)
	}
	if i := strings.LastIndex(n.Local, partitionMark); i >= 0 {
		digits := n.Local[i+len(partitionMark):]
		if p, err := strconv.Atoi(digits); err == nil && p >= 0 && strconv.Itoa(p) == digits {
			n.Partition = p
		}
	}
	return n, nil
}

// maxName keeps names far below what metadata stores take as a key.
const maxName = 4096

// validPart is Pulsar's rule for tenants and namespaces.
func validPart(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-=:._", c) >= 0) {
			return false
		}
	}
	return s != ""
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

// Partitioned is the name without "-partition-<n>", the name of the partitioned topic that a partition belongs to.
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

// ManagedName is the name of the topic's managed ledger (interop §7.1).
func (n Name) ManagedName() string {
	return n.Tenant + "/" + n.Namespace + "/" + persistent + "/" + managed.EncodeName(n.Local)
}
