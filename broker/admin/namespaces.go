package admin

import (
	"context"
	"errors"

	"github.com/strobemq/strobe/broker/placement"
	"github.com/strobemq/strobe/broker/topic"
	"github.com/strobemq/strobe/broker/topicname"
	"github.com/strobemq/strobe/internal/fault"
)

func (a *API) namespaces(q *request) error {
	list, err := a.o.Policies.Namespaces(q.Context(), q.PathValue("tenant"))
	if err != nil {
		return err
	}
	return q.reply(nonNil(list))
}

func (a *API) namespacePolicies(q *request) error {
	p, err := a.o.Policies.Namespace(q.Context(), q.namespace())
	if err != nil {
		return err
	}
	return q.reply(p)
}

// createNamespace takes policies, bundles ({"numBundles": n}) or nothing.
func (a *API) createNamespace(q *request) error {
	fields := map[string]any{}
	if _, err := q.body(&fields); err != nil {
		return err
	}
	if err := a.o.Policies.CreateNamespace(q.Context(), q.namespace(), fields); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) deleteNamespace(q *request) error {
	force := q.flag("force")
	err := a.o.Policies.DeleteNamespace(q.Context(), q.namespace(), func(ctx context.Context) error {
		return a.emptyNamespace(q, force)
	})
	if err != nil {
		return err
	}
	return q.noContent()
}

// emptyNamespace is nil when the namespace has no topic; with force its topics are deleted first.
func (a *API) emptyNamespace(q *request, force bool) error {
	ctx, namespace := q.Context(), q.namespace()
	list, err := a.o.Topics.List(ctx, namespace)
	if err != nil {
		return err
	}
	partitioned, err := a.o.Policies.Partitioned(ctx, namespace)
	if err != nil {
		return err
	}
	if len(list)+len(partitioned) > 0 && !force {
		return fault.NamespaceNotEmpty.New("%s: %d topics", namespace, len(list)+len(partitioned))
	}
	for _, n := range list {
		if err := a.deletePartition(q, topicname.Name(n)); err != nil { // force is set
			return err
		}
	}
	for _, n := range partitioned {
		if err := a.o.Policies.DeletePartitioned(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// namespaceTopics lists topics; ?mode=PERSISTENT (default), NON_PERSISTENT or ALL.
func (a *API) namespaceTopics(q *request) error {
	mode := q.URL.Query().Get("mode")
	list, err := a.list(q, func(n topic.Name) bool { return mode == "ALL" || n.Persistent != (mode == "NON_PERSISTENT") })
	if err != nil {
		return err
	}
	return q.reply(list)
}

// list names the topics of the request's namespace that keep wants; an unknown namespace is an error.
func (a *API) list(q *request, keep func(topic.Name) bool) ([]string, error) {
	if _, err := a.o.Policies.Namespace(q.Context(), q.namespace()); err != nil {
		return nil, err
	}
	all, err := a.o.Topics.List(q.Context(), q.namespace())
	if err != nil {
		return nil, err
	}
	names := []string{}
	for _, n := range all {
		if keep(n) {
			names = append(names, n.String())
		}
	}
	return names, nil
}

func (a *API) namespaceBundles(q *request) error {
	p, err := a.o.Policies.Namespace(q.Context(), q.namespace())
	if err != nil {
		return err
	}
	return q.reply(p.Fields()["bundles"])
}

func (a *API) unloadNamespace(q *request) error {
	bundles, err := a.o.Placement.NamespaceBundles(q.Context(), q.namespace())
	if err != nil {
		return err
	}
	var errs []error
	for _, b := range bundles {
		err := a.unload(q.Context(), b)
		if e, ok := servedElsewhere(err); ok {
			_, err = a.send(q, "PUT", e.http+"/admin/v2/namespaces/"+q.namespace()+"/"+b.Range()+"/unload", nil)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) unloadBundle(q *request) error {
	b, err := a.o.Placement.ParseBundle(q.Context(), q.namespace(), q.PathValue("bundle"))
	if err != nil {
		return err
	}
	if err := a.unload(q.Context(), b); err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) unload(ctx context.Context, b placement.Bundle) error {
	o, found, err := a.o.Placement.BundleOwner(ctx, b)
	if err != nil || !found {
		return err
	}
	if !o.Local {
		return elsewhereAt(b.String(), o)
	}
	return a.o.Placement.Unload(ctx, b, func(ctx context.Context) error {
		var errs []error
		for _, t := range a.o.Topics.All() {
			if n := topicname.Name(t.Name()); b.Contains(n) {
				errs = append(errs, a.o.Topics.Unload(ctx, t.Name()))
			}
		}
		return errors.Join(errs...)
	})
}

// The permissions of a namespace are kept in its policies; nothing judges by them yet.

func authPolicies(fields map[string]any) map[string]any {
	auth, ok := fields["auth_policies"].(map[string]any)
	if !ok {
		auth = map[string]any{}
		fields["auth_policies"] = auth
	}
	roles, ok := auth["namespace_auth"].(map[string]any)
	if !ok {
		roles = map[string]any{}
		auth["namespace_auth"] = roles
	}
	return roles
}

func (a *API) permissions(q *request) error {
	p, err := a.o.Policies.Namespace(q.Context(), q.namespace())
	if err != nil {
		return err
	}
	return q.reply(authPolicies(p.Fields()))
}

func (a *API) grant(q *request) error {
	role, err := q.newName("role")
	if err != nil {
		return err
	}
	actions := []string{}
	if _, err := q.body(&actions); err != nil {
		return err
	}
	err = a.o.Policies.Update(q.Context(), q.namespace(), func(fields map[string]any) error {
		list := make([]any, len(actions))
		for i, s := range actions {
			list[i] = s
		}
		authPolicies(fields)[role] = list
		return nil
	})
	if err != nil {
		return err
	}
	return q.noContent()
}

func (a *API) revoke(q *request) error {
	err := a.o.Policies.Update(q.Context(), q.namespace(), func(fields map[string]any) error {
		delete(authPolicies(fields), q.PathValue("role"))
		return nil
	})
	if err != nil {
		return err
	}
	return q.noContent()
}
