package manifest

import (
	"time"
)

// field is one key of a mapping: where its value goes and how it is written back.
type field struct {
	key      string
	kind     string // as people call the type: string, number, size, duration, bool, list of strings, mapping
	required bool
	help     string
	read     func(d *decoder, v value)
	write    func() any // nil: leave the key out
}

// metadataFields binds the keys of metadata.
func metadataFields(m *Metadata) []field {
	return []field{
		str("name", &m.Name, required, "name of the resource; tenant/namespace/name is taken too"),
		str("namespace", &m.Namespace, "", "namespace, `default` unless given"),
		str("tenant", &m.Tenant, "", "tenant, `public` unless given"),
	}
}

// specFields binds the keys of the spec of r's kind.
func specFields(r *Resource) []field {
	switch r.Kind {
	case KindTopic:
		t := r.Topic
		return []field{
			num("partitions", &t.Partitions, 0, 10_000, "number of partitions; 0 or absent: a topic without partitions. It can grow, never shrink"),
			optionalBool("deduplication", &t.Deduplication, "drop messages whose sequence id the producer has already published"),
			optionalDuration("retentionTime", &t.RetentionTime, "how long consumed messages are kept: 12h, 7d, forever"),
			optionalSize("retentionSize", &t.RetentionSize, "how many bytes of consumed messages are kept: 10GiB, unlimited"),
		}
	case KindFunction:
		f := r.Function
		return []field{
			str("wasm", &f.Wasm, "", "path of the WASM module, relative to this file; required unless sha256 names the one that is deployed"),
			str("sha256", &f.SHA256, "", "hash the module must have"),
			strs("inputs", &f.Inputs, required, "topics to read"),
			str("output", &f.Output, "", "topic to write to; a function without one only emits to topics it names itself"),
			strMap("config", &f.Config, "settings the function reads"),
			num("parallelism", &f.Parallelism, 1, 1000, "number of instances"),
			oneOf("guarantee", &f.Guarantee, []string{"at-least-once", "effectively-once", "at-most-once"}, "what happens to a message when something crashes"),
			str("subscription", &f.Subscription, "", "subscription to read with; tenant/namespace/name unless given"),
			oneOf("position", &f.Position, []string{"latest", "earliest"}, "where a new subscription begins"),
			boolean("ordered", &f.Ordered, "keep the order of each input (Failover instead of Shared)"),
			num("maxAttempts", &f.MaxAttempts, 1, 1000, "attempts before a message is parked"),
			str("deadLetter", &f.DeadLetter, "", "topic for parked messages; NAME-DLQ unless given"),
			str("logTopic", &f.LogTopic, "", "topic that gets the function's log lines"),
			size("memory", &f.Memory, "memory the function may use: 64MiB"),
			duration("deadline", &f.Deadline, "time one call may take: 500ms, 5s"),
		}
	case KindSource:
		s := r.Source
		return []field{
			str("connector", &s.Connector, required, "name of the connector; `strobe connectors list`"),
			anyMap("config", &s.Config, "settings of the connector; `strobe connectors describe NAME`"),
			str("deadLetter", &s.DeadLetter, "", "topic for parked records; NAME-DLQ unless given"),
			num("maxAttempts", &s.MaxAttempts, 1, 1000, "attempts before a record is parked"),
		}
	}
	return nil
}

// Help is one line of the description of a kind.
type Help struct {
	Key, Type, Text string
	Required        bool
}

// Describe lists the keys of a kind's spec.
func Describe(kind string) []Help {
	r := &Resource{Kind: kind}
	r.newSpec()
	var out []Help
	for _, f := range specFields(r) {
		out = append(out, Help{Key: f.key, Type: f.kind, Text: f.help, Required: f.required})
	}
	return out
}

func (r *Resource) newSpec() bool {
	switch r.Kind {
	case KindTopic:
		r.Topic = &Topic{}
	case KindFunction:
		r.Function = &Function{Parallelism: 1, Guarantee: "at-least-once", Position: "latest"}
	case KindSource:
		r.Source = &Source{}
	default:
		return false
	}
	return true
}

const required = "required"

func str(key string, p *string, need, help string) field {
	return field{key: key, kind: "string", required: need == required, help: help,
		read: func(d *decoder, v value) {
			if s, ok := d.text(v); ok {
				*p = s
			}
		},
		write: func() any { return orNil(*p != "", *p) }}
}

func oneOf(key string, p *string, of []string, help string) field {
	return field{key: key, kind: join(of), help: help,
		read: func(d *decoder, v value) {
			if s, ok := d.choice(v, of); ok {
				*p = s
			}
		},
		write: func() any { return orNil(*p != "", *p) }}
}

func strs(key string, p *[]string, need, help string) field {
	return field{key: key, kind: "list of strings", required: need == required, help: help,
		read: func(d *decoder, v value) {
			if l, ok := d.list(v); ok {
				*p = l
			}
		},
		write: func() any { return orNil(len(*p) > 0, *p) }}
}

func num(key string, p *int64, low, high int64, help string) field {
	return field{key: key, kind: "number", help: help,
		read: func(d *decoder, v value) {
			if n, ok := d.number(v, low, high); ok {
				*p = n
			}
		},
		write: func() any { return orNil(*p != 0, *p) }}
}

func boolean(key string, p *bool, help string) field {
	return field{key: key, kind: "bool", help: help,
		read: func(d *decoder, v value) {
			if b, ok := d.boolean(v); ok {
				*p = b
			}
		},
		write: func() any { return orNil(*p, *p) }}
}

func optionalBool(key string, p **bool, help string) field {
	return field{key: key, kind: "bool", help: help,
		read: func(d *decoder, v value) {
			if b, ok := d.boolean(v); ok {
				*p = &b
			}
		},
		write: func() any {
			if *p == nil {
				return nil
			}
			return **p
		}}
}

func size(key string, p *int64, help string) field {
	return field{key: key, kind: "size", help: help,
		read: func(d *decoder, v value) {
			if n, ok := d.size(v, false); ok {
				*p = n
			}
		},
		write: func() any { return orNil(*p != 0, FormatSize(*p)) }}
}

func optionalSize(key string, p **int64, help string) field {
	return field{key: key, kind: "size", help: help,
		read: func(d *decoder, v value) {
			if n, ok := d.size(v, true); ok {
				*p = &n
			}
		},
		write: func() any {
			if *p == nil {
				return nil
			}
			return FormatSize(**p)
		}}
}

func duration(key string, p *time.Duration, help string) field {
	return field{key: key, kind: "duration", help: help,
		read: func(d *decoder, v value) {
			if n, ok := d.duration(v, false); ok {
				*p = n
			}
		},
		write: func() any { return orNil(*p != 0, FormatDuration(*p)) }}
}

func optionalDuration(key string, p **time.Duration, help string) field {
	return field{key: key, kind: "duration", help: help,
		read: func(d *decoder, v value) {
			if n, ok := d.duration(v, true); ok {
				*p = &n
			}
		},
		write: func() any {
			if *p == nil {
				return nil
			}
			return FormatDuration(**p)
		}}
}

func strMap(key string, p *map[string]string, help string) field {
	return field{key: key, kind: "mapping of strings", help: help,
		read: func(d *decoder, v value) {
			if m, ok := d.stringMap(v); ok {
				*p = m
			}
		},
		write: func() any { return orNil(len(*p) > 0, *p) }}
}

func anyMap(key string, p *map[string]any, help string) field {
	return field{key: key, kind: "mapping", help: help,
		read: func(d *decoder, v value) {
			if m, ok := d.mapping(v); ok {
				*p = m
			}
		},
		write: func() any { return orNil(len(*p) > 0, *p) }}
}

func orNil(set bool, v any) any {
	if set {
		return v
	}
	return nil
}
