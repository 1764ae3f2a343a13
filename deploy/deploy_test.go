// Package deploy holds no code: its tests keep the units, the examples of configuration and the container file true.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/strobemq/strobe/internal/config"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func load(t *testing.T, path string) *config.Config {
	t.Helper()
	c, errs := config.Load(path, nil)
	for _, err := range errs {
		t.Error(err)
	}
	return c
}

func TestExamplesOfConfigurationAreRead(t *testing.T) {
	c := load(t, "systemd/strobe.yaml")
	if b := c.Broker; c.Metadata.URL == "" || b.Ensemble != 3 || b.WriteQuorum != 3 || b.AckQuorum != 2 {
		t.Errorf("the example for a cluster has metadata %q and quorums %d/%d/%d", c.Metadata.URL, b.Ensemble, b.WriteQuorum, b.AckQuorum)
	}
	if c := load(t, "systemd/standalone.yaml"); c.Metadata.URL != "" {
		t.Errorf("standalone refuses metadata.url, and the example for it has %q", c.Metadata.URL)
	}
}

// setting is a line of strobe.yaml that sets a key, commented out or not.
var setting = regexp.MustCompile(`(?m)^  (# )?(\w+: )`)

func TestExampleShowsEveryKeyWithItsDefault(t *testing.T) {
	text := read(t, "systemd/strobe.yaml")
	all := filepath.Join(t.TempDir(), "strobe.yaml")
	if err := os.WriteFile(all, []byte(setting.ReplaceAllString(text, "  $2")), 0o600); err != nil {
		t.Fatal(err)
	}
	c := load(t, all)
	for _, k := range c.Keys() {
		section, name, _ := strings.Cut(k.Name, ".")
		_, below, ok := strings.Cut(text, "\n"+section+":\n")
		below, _, _ = strings.Cut(below, "\n\n")
		if !ok || !strings.Contains(below, " "+name+": ") {
			t.Errorf("%s is not shown", k.Name)
		}
		if strings.Contains(below, "# "+name+": ") && k.Default != "" && k.Value() != k.Default {
			t.Errorf("%s is shown with %q as if that were the default, which is %q", k.Name, k.Value(), k.Default)
		}
	}
}

func units(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("systemd/*.service")
	if err != nil || len(list) != 3 {
		t.Fatalf("units: %v, %v", list, err)
	}
	return list
}

// mayCompile says which roles run functions: their child process makes machine code in memory.
var mayCompile = map[string]bool{"standalone": true, "broker": true, "bookie": false}

func TestUnitsFitTheirRole(t *testing.T) {
	for _, path := range units(t) {
		text := read(t, path)
		role := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "strobe-"), ".service")
		if !strings.Contains(text, "\nExecStart=/usr/local/bin/strobe "+role+" --config /etc/strobe/") {
			t.Errorf("%s does not run `strobe %s`", path, role)
		}
		if denied := strings.Contains(text, "\nMemoryDenyWriteExecute=yes"); denied == mayCompile[role] {
			t.Errorf("%s: MemoryDenyWriteExecute is %v", path, denied)
		}
	}
}

// TestUnitsVerify asks systemd itself, where it is there, whether it understands the units.
func TestUnitsVerify(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("no systemd-analyze here")
	}
	program, err := os.Executable() // some program that exists
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"verify"}
	for _, path := range units(t) {
		at := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(at, []byte(strings.ReplaceAll(read(t, path), "/usr/local/bin/strobe", program)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, at)
	}
	out, err := exec.Command(analyze, args...).CombinedOutput()
	switch ours := strings.Contains(string(out), "strobe-"); {
	case ours:
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	case err != nil:
		t.Skipf("systemd-analyze cannot work here: %v\n%s", err, out)
	}
}
