package cli

import (
	"context"
	"encoding/json"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/strobemq/strobe/internal/manifest"
)

// retention is Pulsar's form: minutes and megabytes, -1 without limit.
type retention struct {
	Minutes   int64 `json:"retentionTimeInMinutes"`
	Megabytes int64 `json:"retentionSizeInMB"`
}

// currentTopic reads a topic and its own policies back into the form of files.
func (a *app) currentTopic(ctx context.Context, m manifest.Metadata) (manifest.Resource, error) {
	r := manifest.Resource{Kind: manifest.KindTopic, Metadata: m, Topic: &manifest.Topic{}}
	t, err := a.topic(m.FullTopic(m.Name))
	if err != nil {
		return r, err
	}
	n, err := a.partitions(ctx, t)
	if err != nil {
		return r, err
	}
	r.Topic.Partitions = int64(n)
	if n == 0 {
		var s topicStats
		if err := a.call(ctx, "GET", t.path("/stats"), nil, &s); err != nil {
			return r, err
		}
	}
	if err := a.call(ctx, "GET", t.path("/deduplicationEnabled"), nil, &r.Topic.Deduplication); err != nil {
		return r, err
	}
	var keep *retention
	if err := a.call(ctx, "GET", t.path("/retention"), nil, &keep); err != nil {
		return r, err
	}
	if keep != nil {
		d, b := time.Duration(keep.Minutes)*time.Minute, keep.Megabytes<<20
		if keep.Minutes < 0 {
			d = -1
		}
		if keep.Megabytes < 0 {
			b = -1
		}
		r.Topic.RetentionTime, r.Topic.RetentionSize = &d, &b
	}
	return r, nil
}

// putTopic creates a topic or changes it.
func (a *app) putTopic(ctx context.Context, r manifest.Resource, create bool) error {
	w := r.Topic
	t, err := a.topic(r.Metadata.FullTopic(r.Metadata.Name))
	if err != nil {
		return err
	}
	if create {
		err = a.createTopic(ctx, t, w.Partitions)
	} else if w.Partitions > 0 {
		var have int
		if have, err = a.partitions(ctx, t); err == nil && int64(have) < w.Partitions {
			err = a.call(ctx, "POST", t.path("/partitions"), w.Partitions, nil)
		}
	}
	if err != nil {
		return err
	}
	if w.Deduplication != nil {
		if err := a.call(ctx, "POST", t.path("/deduplicationEnabled"), *w.Deduplication, nil); err != nil {
			return err
		}
	}
	if w.RetentionTime == nil && w.RetentionSize == nil {
		return nil
	}
	keep := retention{-1, -1} // what the file does not limit is not limited
	if w.RetentionTime != nil && *w.RetentionTime >= 0 {
		keep.Minutes = int64((*w.RetentionTime + time.Minute - 1) / time.Minute)
	}
	if w.RetentionSize != nil && *w.RetentionSize >= 0 {
		keep.Megabytes = (*w.RetentionSize + 1<<20 - 1) >> 20
	}
	return a.call(ctx, "POST", t.path("/retention"), keep, nil)
}

// jsonOf prints YAML text as JSON.
func (a *app) jsonOf(text []byte) error {
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		return err
	}
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
