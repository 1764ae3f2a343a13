package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unit is what a duration key counts, Apache's names end in it.
type unit struct {
	name string
	of   time.Duration
}

var (
	milliseconds = unit{"milliseconds", time.Millisecond}
	seconds      = unit{"seconds", time.Second}
	minutes      = unit{"minutes", time.Minute}
)

func text(name string, p *string, def, help string) Key {
	return Key{Name: name, Type: "string", Default: def, Help: help,
		set: func(s string) error { *p = s; return nil }, get: func() string { return *p }}
}

func choice(name string, p *string, def string, of []string, help string) Key {
	return Key{Name: name, Type: strings.Join(of, "|"), Default: def, Help: help,
		set: func(s string) error {
			if !slices.Contains(of, s) {
				return fmt.Errorf("want one of %s", strings.Join(of, ", "))
			}
			*p = s
			return nil
		}, get: func() string { return *p }}
}

func boolean(name string, p *bool, def bool, help string) Key {
	return Key{Name: name, Type: "bool", Default: strconv.FormatBool(def), Help: help,
		set: func(s string) error {
			if s != "true" && s != "false" {
				return fmt.Errorf("want true or false")
			}
			*p = s == "true"
			return nil
		}, get: func() string { return strconv.FormatBool(*p) }}
}

// scaled is a whole number between low and high, kept times factor; negative numbers are kept as they are.
func scaled(name, kind string, def, low, high, factor int64, help string, put func(int64), get func() int64) Key {
	return Key{Name: name, Type: kind, Default: strconv.FormatInt(def, 10), Help: help,
		set: func(s string) error {
			n, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				return fmt.Errorf("want a whole number")
			}
			if n < low || n > high {
				return fmt.Errorf("want %d to %d", low, high)
			}
			if n > 0 {
				n *= factor
			}
			put(n)
			return nil
		}, get: func() string {
			n := get()
			if n > 0 {
				n /= factor
			}
			return strconv.FormatInt(n, 10)
		}}
}

func number(name string, p *int64, def, low, high int64, help string) Key {
	return scaled(name, "int", def, low, high, 1, help, func(n int64) { *p = n }, func() int64 { return *p })
}

func bytes(name string, p *int64, def, low, high int64, help string) Key {
	return scaled(name, "bytes", def, low, high, 1, help, func(n int64) { *p = n }, func() int64 { return *p })
}

func megabytes(name string, p *int64, def, low int64, help string) Key {
	return scaled(name, "MB", def, low, 1<<30, 1<<20, help, func(n int64) { *p = n }, func() int64 { return *p })
}

func duration(name string, p *time.Duration, u unit, def, low int64, help string) Key {
	return scaled(name, u.name, def, low, int64(10*365*24*time.Hour/u.of), int64(u.of), help,
		func(n int64) { *p = time.Duration(n) }, func() int64 { return int64(*p) })
}

func list(name string, p *[]string, help string) Key {
	return Key{Name: name, Type: "list", Help: help,
		set: func(s string) error {
			*p = nil
			for _, e := range strings.Split(s, ",") {
				if e = strings.TrimSpace(e); e != "" {
					*p = append(*p, e)
				}
			}
			return nil
		}, get: func() string { return strings.Join(*p, ",") }}
}
