package auth

import (
	"testing"

	"github.com/strobemq/strobe/internal/fault"
)

func TestAllowAll(t *testing.T) {
	for _, a := range Actions {
		if err := (AllowAll{}).Allow(t.Context(), "", a, "persistent://public/default/t"); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []Action{"", "Produce", "everything"} {
		if err := (AllowAll{}).Allow(t.Context(), "me", a, ""); !fault.Has(err, fault.NotAuthorized) {
			t.Errorf("%q: %v, want %s", a, err, fault.NotAuthorized.Code)
		}
	}
	seen := map[Action]bool{}
	for _, a := range Actions {
		if seen[a] {
			t.Errorf("%s stands twice", a)
		}
		seen[a] = true
	}
}
