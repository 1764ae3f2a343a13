package all

import (
	"slices"
	"testing"
)

// Whatever a type claims about itself must hold for `describe` and for strict files.
func TestTypesAreComplete(t *testing.T) {
	kinds := []string{"string", "int", "bool", "duration", "list", "map", "secret"}
	names := map[string]bool{}
	for _, typ := range Types {
		if typ.Name == "" || typ.Summary == "" || typ.Guarantee == "" || names[typ.Name] {
			t.Errorf("%q lacks a name of its own, a summary or a guarantee", typ.Name)
		}
		names[typ.Name] = true
		if typ.NewSource == nil && typ.NewSink == nil || typ.Check == nil {
			t.Errorf("%s is neither source nor sink, or cannot be checked", typ.Name)
		}
		keys := map[string]bool{}
		for _, o := range typ.Options {
			if o.Help == "" || !slices.Contains(kinds, o.Type) || keys[o.Key] || o.Required && o.Default != "" {
				t.Errorf("%s: option %q is not complete", typ.Name, o.Key)
			}
			keys[o.Key] = true
		}
	}
}
