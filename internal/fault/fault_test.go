package fault

import (
	"regexp"
	"testing"
)

func TestTableIsComplete(t *testing.T) {
	form := regexp.MustCompile(`^STB-[A-Z]+-\d{4}$`)
	seen := map[string]bool{}
	for _, f := range All() {
		if !form.MatchString(f.Code) {
			t.Errorf("code %q is not STB-ROOM-nnnn", f.Code)
		}
		if seen[f.Code] {
			t.Errorf("code %s stands twice", f.Code)
		}
		seen[f.Code] = true
		if f.Title == "" || f.Cause == "" || f.Fix == "" {
			t.Errorf("%s lacks a title, a cause or a fix", f.Code)
		}
	}
}
