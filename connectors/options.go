package connectors

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// Values are a connector's settings after Decode: by dotted key, each of the type its Option names, defaults filled in.
type Values map[string]any

// String is the value of a key of type string or secret; "" when it was not set and has no default.
func (v Values) String(key string) string { s, _ := v[key].(string); return s }

// Int is the value of a key of type int.
func (v Values) Int(key string) int64 { n, _ := v[key].(int64); return n }

// Bool is the value of a key of type bool.
func (v Values) Bool(key string) bool { b, _ := v[key].(bool); return b }

// Duration is the value of a key of type duration.
func (v Values) Duration(key string) time.Duration { d, _ := v[key].(time.Duration); return d }

// List is the value of a key of type list.
func (v Values) List(key string) []string { l, _ := v[key].([]string); return l }

// Map is the value of a key of type map.
func (v Values) Map(key string) map[string]string { m, _ := v[key].(map[string]string); return m }

// Decode reads a configuration strictly against a connector's options: nested maps are dotted keys, an unknown key, a wrong type and a
// missing required key is a finding each, all at once, ordered by key.
func Decode(options []Option, config map[string]any) (Values, []Finding) {
	d := decoder{options: options, values: Values{}}
	d.level("", config)
	for _, o := range options {
		if _, given := d.values[o.Key]; given || d.failed(o.Key) {
			continue
		}
		switch {
		case o.Required:
			d.fail(o.Key, fault.ManifestMissing.New("%s: %s", o.Key, o.Help))
		case o.Default != "":
			if v, err := convert(o.Type, defaultValue(o)); err == nil {
				d.values[o.Key] = v
			}
		}
	}
	slices.SortFunc(d.findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return d.values, d.findings
}

// defaultValue is an option's default as a configuration would have it.
func defaultValue(o Option) any {
	switch o.Type {
	case "int":
		n, _ := strconv.ParseInt(o.Default, 10, 64)
		return n
	case "bool":
		return o.Default == "true"
	case "list":
		var list []any
		for _, s := range strings.Split(o.Default, ",") {
			list = append(list, strings.TrimSpace(s))
		}
		return list
	}
	return o.Default
}

type decoder struct {
	options  []Option
	values   Values
	findings []Finding
}

func (d *decoder) fail(path string, err *fault.Error) {
	d.findings = append(d.findings, Finding{Class: BadConfig, Path: path, Err: err})
}

func (d *decoder) failed(path string) bool {
	return slices.ContainsFunc(d.findings, func(f Finding) bool { return f.Path == path })
}

func (d *decoder) level(prefix string, config map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(config)) {
		key, value := prefix+name, config[name]
		if i := slices.IndexFunc(d.options, func(o Option) bool { return o.Key == key }); i >= 0 {
			v, err := convert(d.options[i].Type, value)
			if err != nil {
				d.fail(key, err.in(key))
				continue
			}
			d.values[key] = v
			continue
		}
		heading := slices.ContainsFunc(d.options, func(o Option) bool { return strings.HasPrefix(o.Key, key+".") })
		below, isMap := value.(map[string]any)
		switch {
		case heading && isMap:
			d.level(key+".", below)
		case heading:
			d.fail(key, fault.ManifestBadValue.New("%s: %s is not a mapping", key, describe(value)))
		default:
			d.fail(key, fault.ManifestUnknownKey.New("%s%s", key, fault.DidYouMean(key, d.keys())).
				WithFix("Correct or remove the key. `strobe connectors describe NAME` lists the connector's keys."))
		}
	}
}

func (d *decoder) keys() []string {
	var keys []string
	for _, o := range d.options {
		keys = append(keys, o.Key)
	}
	return keys
}

// unfit says what a value should have been.
type unfit struct {
	fault *fault.Fault
	text  string
}

func (u *unfit) in(key string) *fault.Error { return u.fault.New("%s: %s", key, u.text) }

func notA(value any, what string) *unfit {
	return &unfit{fault.ManifestBadValue, describe(value) + " is not " + what}
}

// convert reads one value as the type of its option.
func convert(kind string, value any) (any, *unfit) {
	switch kind {
	case "int":
		if n, ok := integer(value); ok {
			return n, nil
		}
		return nil, notA(value, "a whole number")
	case "bool":
		if b, ok := value.(bool); ok {
			return b, nil
		}
		return nil, notA(value, "true or false")
	case "duration":
		if s, ok := value.(string); ok {
			if d, err := time.ParseDuration(s); err == nil && d >= 0 {
				return d, nil
			}
		}
		return nil, notA(value, "a duration such as 10s or 1m30s")
	case "list":
		return list(value)
	case "map":
		return mapping(value)
	case "secret":
		s, ok := value.(string)
		if !ok || !strings.HasPrefix(s, "env:") && !strings.HasPrefix(s, "file:") {
			return nil, &unfit{fault.ManifestSecret, "not env:NAME or file:/path"} // the value may be the secret: never shown
		}
		return s, nil
	}
	if s, ok := value.(string); ok {
		return s, nil
	}
	return nil, notA(value, "a text")
}

func list(value any) (any, *unfit) {
	items, ok := value.([]any)
	if !ok {
		return nil, notA(value, "a list of texts")
	}
	texts := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := item.(string)
		if !ok {
			return nil, notA(item, "a text")
		}
		texts = append(texts, s)
	}
	return texts, nil
}

func mapping(value any) (any, *unfit) {
	items, ok := value.(map[string]any)
	if !ok {
		return nil, notA(value, "a mapping of texts")
	}
	texts := make(map[string]string, len(items))
	for key, item := range items {
		s, ok := item.(string)
		if !ok {
			return nil, notA(item, "a text")
		}
		texts[key] = s
	}
	return texts, nil
}

// integer takes the number types that YAML and JSON decoders make.
func integer(value any) (int64, bool) {
	switch n := value.(type) {
	case int:
		return int64(n), true
	case int64:
		return n, true
	case uint64:
		return int64(n), n <= math.MaxInt64
	case float64:
		return int64(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	case json.Number:
		i, err := n.Int64()
		return i, err == nil
	}
	return 0, false
}

// describe is a value for an error message, cut short.
func describe(value any) string {
	s := fmt.Sprintf("%v", value)
	if text, ok := value.(string); ok {
		s = strconv.Quote(text)
	}
	if len(s) > 60 {
		s = s[:57] + "..."
	}
	return s
}
