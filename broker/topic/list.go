package topic

import (
	"context"
	"slices"
	"strings"

	"github.com/strobemq/strobe/storage/managed"
)

// List names the topics of a namespace ("tenant/namespace") that exist, sorted: persistent ones that are stored, non-persistent ones
// that are loaded.
func (r *Topics) List(ctx context.Context, namespace string) ([]Name, error) {
	encoded, err := r.o.Managed.List(ctx, namespace+"/persistent")
	if err != nil {
		return nil, err
	}
	var names []Name
	for _, e := range encoded {
		local, err := managed.DecodeName(e)
		if err != nil {
			continue // no topic of ours
		}
		if n, err := ParseName("persistent://" + namespace + "/" + local); err == nil {
			names = append(names, n)
		}
	}
	for _, t := range r.All() {
		if !t.name.Persistent && t.name.FullNamespace() == namespace {
			names = append(names, t.name)
		}
	}
	slices.SortFunc(names, func(a, b Name) int { return strings.Compare(a.String(), b.String()) })
	return names, nil
}

// Exists reports whether the topic exists: stored, or loaded if it is non-persistent.
func (r *Topics) Exists(ctx context.Context, n Name) (bool, error) {
	if r.Loaded(n) != nil || !n.Persistent {
		return r.Loaded(n) != nil, nil
	}
	return r.o.Managed.Exists(ctx, n.ManagedName())
}
