package cli

import (
	"context"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/internal/manifest"
)

// topicName is a topic taken apart for REST paths.
type topicName struct{ domain, tenant, namespace, local string }

func (a *app) topic(name string) (topicName, error) {
	t := topicName{"persistent", a.tenant, a.namespace, name}
	if domain, rest, ok := strings.Cut(name, "://"); ok {
		t.domain, name = domain, rest
		if strings.Count(name, "/") < 2 {
			return t, fault.CLIUsage.New("topic %q: want persistent://tenant/namespace/name", name)
		}
	}
	if parts := strings.SplitN(name, "/", 3); len(parts) == 3 {
		t.tenant, t.namespace, t.local = parts[0], parts[1], parts[2]
	} else if len(parts) != 1 {
		return t, fault.CLIUsage.New("topic %q is neither a name nor tenant/namespace/name", name)
	}
	return t, nil
}

func (t topicName) String() string {
	return t.domain + "://" + t.tenant + "/" + t.namespace + "/" + t.local
}

func (t topicName) path(rest string) string {
	return "/admin/v2/" + t.domain + "/" + t.tenant + "/" + t.namespace + "/" + url.PathEscape(t.local) + rest
}

// topicStats is what the CLI shows of Pulsar's topic statistics.
type topicStats struct {
	MsgRateIn       float64                      `json:"msgRateIn"`
	MsgRateOut      float64                      `json:"msgRateOut"`
	MsgInCounter    int64                        `json:"msgInCounter"`
	BytesInCounter  int64                        `json:"bytesInCounter"`
	StorageSize     int64                        `json:"storageSize"`
	BacklogSize     int64                        `json:"backlogSize"`
	Publishers      []map[string]any             `json:"publishers"`
	Subscriptions   map[string]subscriptionStats `json:"subscriptions"`
	Dedup           string                       `json:"deduplicationStatus"`
	LastPublish     int64                        `json:"lastPublishTimeStamp"`
	Durability      string                       `json:"durability,omitempty"`
	PartitionsCount int                          `json:"-"`
}

type subscriptionStats struct {
	Type        string           `json:"type"`
	MsgBacklog  int64            `json:"msgBacklog"`
	Unacked     int64            `json:"unackedMessages"`
	MsgRateOut  float64          `json:"msgRateOut"`
	Consumers   []map[string]any `json:"consumers"`
	LagMessages int64            `json:"lagMessages"`
	LagSeconds  float64          `json:"lagSeconds"`
	MsgOutCount int64            `json:"msgOutCounter"`
}

// topicSummary is one line of `topics list`.
type topicSummary struct {
	Topic         string `json:"topic"`
	Partitions    int    `json:"partitions"`
	Messages      int64  `json:"messagesIn"`
	StorageBytes  int64  `json:"storageBytes"`
	Subscriptions int    `json:"subscriptions"`
	// Lag is that of the subscription that is furthest behind.
	Lag        int64   `json:"lagMessages"`
	LagSeconds float64 `json:"lagSeconds"`
}

func (a *app) topicsCommand() *cobra.Command {
	c := group("topics", "topic", "messages", "Create, look at and remove topics",
		"Topics hold messages; subscriptions remember how far they were read.\nA short name lies in --tenant and --namespace (public/default).")
	a.inNamespace(c)
	c.AddCommand(a.topicCreate(), a.topicDelete(),
		&cobra.Command{Use: "list", Short: "List the topics of the namespace", Args: args(0, ""), RunE: func(c *cobra.Command, _ []string) error { return a.topicsList(c.Context()) }},
		a.topicGet(),
		a.topicVerb("stats", "Print everything the broker counts for a topic", a.printTopicStats),
		a.topicVerb("describe", "Print what a topic is and how it fares", a.describeTopic),
		a.whereCommand(),
		a.topicVerb("unload", "Close a topic; clients reconnect and it is loaded anew", func(ctx context.Context, t topicName) error {
			if err := a.call(ctx, "PUT", t.path("/unload"), nil, nil); err != nil {
				return err
			}
			return a.done("unloaded %s", t)
		}),
		a.topicVerb("terminate", "End a topic: it takes no more messages", func(ctx context.Context, t topicName) error {
			var id struct{ LedgerID, EntryID int64 }
			if err := a.call(ctx, "POST", t.path("/terminate"), nil, &id); err != nil {
				return err
			}
			return a.done("terminated %s behind %d:%d", t, id.LedgerID, id.EntryID)
		}),
		a.topicVerb("subscriptions", "List a topic's subscriptions", a.printSubscriptions),
		a.topicUnsubscribe(), a.topicPartitions(),
	)
	return c
}

func (a *app) topicCreate() *cobra.Command {
	var partitions int
	create := &cobra.Command{Use: "create NAME", Short: "Create a topic", Args: args(1, "one topic"),
		Example: "  strobe topics create orders\n  strobe topics create orders --partitions 4",
		RunE: func(c *cobra.Command, p []string) error {
			t, err := a.topic(p[0])
			if err != nil {
				return err
			}
			if err := a.createTopic(c.Context(), t, int64(partitions)); err != nil {
				return err
			}
			return a.done("created %s", t)
		}}
	create.Flags().IntVar(&partitions, "partitions", 0, "number of partitions; 0: a topic without")
	return create
}

func (a *app) topicDelete() *cobra.Command {
	var force bool
	del := &cobra.Command{Use: "delete NAME", Short: "Delete a topic with its messages and subscriptions", Args: args(1, "one topic"),
		RunE: func(c *cobra.Command, p []string) error {
			t, err := a.topic(p[0])
			if err != nil {
				return err
			}
			if err := a.deleteTopic(c.Context(), t, force); err != nil {
				return err
			}
			return a.done("deleted %s", t)
		}}
	del.Flags().BoolVar(&force, "force", false, "disconnect producers and consumers first")
	return del
}

func (a *app) topicGet() *cobra.Command {
	return &cobra.Command{Use: "get NAME", Short: "Print a topic as apply takes it", Args: args(1, "one topic"),
		RunE: func(c *cobra.Command, p []string) error {
			t, err := a.topic(p[0])
			if err != nil {
				return err
			}
			r, err := a.currentTopic(c.Context(), manifest.Metadata{Tenant: t.tenant, Namespace: t.namespace, Name: t.local})
			if err != nil {
				return err
			}
			return a.printResource(r)
		}}
}

func (a *app) printTopicStats(ctx context.Context, t topicName) error {
	var v any
	if err := a.call(ctx, "GET", t.path(a.statsPath(ctx, t)), nil, &v); err != nil {
		return err
	}
	if a.output == "table" {
		return writeYAML(a.Out, v)
	}
	return a.print(v, nil)
}

func (a *app) printSubscriptions(ctx context.Context, t topicName) error {
	s, err := a.topicStats(ctx, t)
	if err != nil {
		return err
	}
	return a.print(s.Subscriptions, func(w *rows) {
		w.empty = "no subscription"
		w.add("SUBSCRIPTION", "TYPE", "LAG", "UNACKED", "CONSUMERS")
		for _, name := range sortedKeys(s.Subscriptions) {
			sub := s.Subscriptions[name]
			w.add(name, orText(sub.Type, "-"), lagOf(sub.LagMessages, sub.LagSeconds), sub.Unacked, len(sub.Consumers))
		}
	})
}

func (a *app) topicUnsubscribe() *cobra.Command {
	return &cobra.Command{Use: "unsubscribe NAME SUBSCRIPTION", Short: "Remove a subscription", Args: args(2, "a topic and a subscription"),
		RunE: func(c *cobra.Command, p []string) error {
			t, err := a.topic(p[0])
			if err != nil {
				return err
			}
			if err := a.call(c.Context(), "DELETE", t.path("/subscription/"+url.PathEscape(p[1])), nil, nil); err != nil {
				return err
			}
			return a.done("removed subscription %s of %s", p[1], t)
		}}
}

func (a *app) topicPartitions() *cobra.Command {
	return &cobra.Command{Use: "partitions NAME N", Short: "Give a partitioned topic more partitions", Args: args(2, "a topic and a number"),
		RunE: func(c *cobra.Command, p []string) error {
			t, err := a.topic(p[0])
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(p[1])
			if err != nil || n < 1 {
				return fault.CLIUsage.New("%q is no number of partitions", p[1])
			}
			if err := a.call(c.Context(), "POST", t.path("/partitions"), n, nil); err != nil {
				return err
			}
			return a.done("%s has %d partitions", t, n)
		}}
}

func (a *app) topicVerb(verb, short string, run func(context.Context, topicName) error) *cobra.Command {
	return &cobra.Command{Use: verb + " NAME", Short: short, Args: args(1, "one topic"), RunE: func(c *cobra.Command, p []string) error {
		t, err := a.topic(p[0])
		if err != nil {
			return err
		}
		return run(c.Context(), t)
	}}
}

func (a *app) createTopic(ctx context.Context, t topicName, partitions int64) error {
	if partitions > 0 {
		return a.call(ctx, "PUT", t.path("/partitions"), partitions, nil)
	}
	return a.call(ctx, "PUT", t.path(""), nil, nil)
}

func (a *app) deleteTopic(ctx context.Context, t topicName, force bool) error {
	n, err := a.partitions(ctx, t)
	if err != nil {
		return err
	}
	path := ""
	if n > 0 {
		path = "/partitions"
	}
	if force {
		path += "?force=true"
	}
	return a.call(ctx, "DELETE", t.path(path), nil, nil)
}

// partitions is 0 for a topic without, also when it does not exist.
func (a *app) partitions(ctx context.Context, t topicName) (int, error) {
	var m struct{ Partitions int }
	err := a.call(ctx, "GET", t.path("/partitions?checkAllowAutoCreation=false"), nil, &m)
	if missing(err) {
		return 0, nil
	}
	return m.Partitions, err
}

func (a *app) statsPath(ctx context.Context, t topicName) string {
	if n, err := a.partitions(ctx, t); err == nil && n > 0 {
		return "/partitioned-stats"
	}
	return "/stats"
}

func (a *app) topicStats(ctx context.Context, t topicName) (topicStats, error) {
	n, err := a.partitions(ctx, t)
	if err != nil {
		return topicStats{}, err
	}
	path := "/stats?getEarliestTimeInBacklog=true"
	if n > 0 {
		path = "/partitioned-stats?perPartition=false&getEarliestTimeInBacklog=true"
	}
	var s topicStats
	err = a.call(ctx, "GET", t.path(path), nil, &s)
	s.PartitionsCount = n
	return s, err
}

// topicNames lists the topics of a namespace: partitioned ones once, without their partitions.
func (a *app) topicNames(ctx context.Context, tenant, namespace string) (map[string]int, error) {
	base := "/admin/v2/persistent/" + tenant + "/" + namespace
	var all, partitioned []string
	if err := a.call(ctx, "GET", base+"/partitioned", nil, &partitioned); err != nil {
		return nil, err
	}
	if err := a.call(ctx, "GET", base, nil, &all); err != nil {
		return nil, err
	}
	out := map[string]int{}
	for _, p := range partitioned {
		out[p] = 0
	}
	for _, t := range all {
		if i := strings.LastIndex(t, "-partition-"); i >= 0 {
			if n, ok := out[t[:i]]; ok {
				out[t[:i]] = n + 1
				continue
			}
		}
		out[t] = 0
	}
	return out, nil
}

func (a *app) topicsList(ctx context.Context) error {
	list, err := a.topicSummaries(ctx, a.tenant, a.namespace)
	if err != nil {
		return err
	}
	return a.print(list, func(w *rows) {
		w.empty = fmt.Sprintf("no topic in %s/%s", a.tenant, a.namespace)
		w.add("TOPIC", "PARTITIONS", "MESSAGES IN", "STORED", "SUBSCRIPTIONS", "LAG")
		for _, t := range list {
			parts := "-"
			if t.Partitions > 0 {
				parts = strconv.Itoa(t.Partitions)
			}
			w.add(strings.TrimPrefix(t.Topic, "persistent://"+a.tenant+"/"+a.namespace+"/"), parts, t.Messages, bytesText(t.StorageBytes), t.Subscriptions, lagOf(t.Lag, t.LagSeconds))
		}
	})
}

func (a *app) topicSummaries(ctx context.Context, tenant, namespace string) ([]topicSummary, error) {
	names, err := a.topicNames(ctx, tenant, namespace)
	if err != nil {
		return nil, err
	}
	list := []topicSummary{}
	for _, name := range sortedKeys(names) {
		t, err := a.topic(name)
		if err != nil {
			return nil, err
		}
		s, err := a.topicStats(ctx, t)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sum := topicSummary{Topic: name, Partitions: s.PartitionsCount, Messages: s.MsgInCounter, StorageBytes: s.StorageSize, Subscriptions: len(s.Subscriptions)}
		for _, sub := range s.Subscriptions {
			sum.Lag, sum.LagSeconds = max(sum.Lag, sub.LagMessages), max(sum.LagSeconds, sub.LagSeconds)
		}
		list = append(list, sum)
	}
	return list, nil
}

func (a *app) describeTopic(ctx context.Context, t topicName) error {
	s, err := a.topicStats(ctx, t)
	if err != nil {
		return err
	}
	if a.output != "table" {
		return a.print(s, nil)
	}
	w := &rows{}
	w.add("topic", t)
	if s.PartitionsCount > 0 {
		w.add("partitions", s.PartitionsCount)
	}
	w.add("durability", orText(s.Durability, "acknowledged after fdatasync on the ack quorum"))
	w.add("deduplication", orText(s.Dedup, "Disabled"))
	w.add("messages in", s.MsgInCounter)
	w.add("stored", bytesText(s.StorageSize))
	w.add("producers", len(s.Publishers))
	for _, name := range sortedKeys(s.Subscriptions) {
		sub := s.Subscriptions[name]
		w.add("subscription", fmt.Sprintf("%s (%s, %d consumers, lag %s)", name, orText(sub.Type, "no consumer yet"), len(sub.Consumers), lagOf(sub.LagMessages, sub.LagSeconds)))
	}
	return w.flush(a.Out)
}

func orText(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
