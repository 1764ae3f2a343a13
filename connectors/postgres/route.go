package postgres

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// placeholder stands in a rule for the value of the routing column; the name is Debezium's.
const placeholder = "${routedByValue}"

// maxLocalName is the longest topic name, without domain, tenant and namespace, that a row may make.
const maxLocalName = 255

// route makes a topic's full name from a row's routing value.
type route struct {
	before, after string // full name around the value
	constant      bool   // there is no value in it
	prefix        int    // bytes of before that are domain, tenant and namespace
}

// parseRoute reads a rule such as outbox.event.${routedByValue}. Within tenant/namespace unless it is a full name itself.
func parseRoute(rule, tenant, namespace string) (route, error) {
	full := rule
	if !strings.Contains(rule, "://") {
		full = "persistent://" + tenant + "/" + namespace + "/" + rule
	}
	if !strings.HasPrefix(full, "persistent://") {
		return route{}, fmt.Errorf("%q: only persistent:// topics hold what a source promises", rule)
	}
	parts := strings.SplitN(strings.TrimPrefix(full, "persistent://"), "/", 3)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" || strings.Contains(parts[0]+parts[1], "${") {
		return route{}, fmt.Errorf("%q: the value may only stand in the name after persistent://tenant/namespace/", rule)
	}
	var r route
	var found bool
	r.before, r.after, found = strings.Cut(full, placeholder)
	r.constant = !found
	r.prefix = len(full) - len(parts[2])
	if strings.Contains(r.before+r.after, "${") {
		return route{}, fmt.Errorf("%q: %s once is the only placeholder", rule, placeholder)
	}
	// The rule itself must make a name with some ordinary value.
	if _, err := r.topic([]byte("x")); err != nil {
		return route{}, fmt.Errorf("%q: %w", rule, err)
	}
	return r, nil
}

// topic is the full name for a value; an error says why it is none.
func (r route) topic(value []byte) (string, error) {
	name := r.before
	if !r.constant {
		if len(value) == 0 {
			return "", fmt.Errorf("the value is empty")
		}
		name += string(value) + r.after
	}
	return name, checkLocalName(name[r.prefix:])
}

// checkLocalName refuses what is not the last part of a topic's name everywhere: in lookups, REST paths, metadata, and as a name of
// its own (a name that ends in -partition-N is a partition of another topic).
func checkLocalName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case len(name) > maxLocalName:
		return fmt.Errorf("the name has %d bytes, more than %d", len(name), maxLocalName)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name is not UTF-8")
	}
	for _, c := range name {
		if c == '/' || c == '\\' || unicode.IsSpace(c) || !unicode.IsGraphic(c) {
			return fmt.Errorf("the name has the character %q", c)
		}
	}
	const mark = "-partition-"
	if i := strings.LastIndex(name, mark); i >= 0 {
		if _, err := strconv.ParseUint(name[i+len(mark):], 10, 31); err == nil {
			return fmt.Errorf("the name is that of a partition")
		}
	}
	return nil
}
