package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

func TestDefaultsAreInTheTable(t *testing.T) {
	c := New()
	if c.Broker.MaxMessageSize != 5<<20 || c.Broker.KeepAlive != 30*time.Second || c.Bookie.SegmentSize != 256<<20 {
		t.Errorf("defaults: %+v", c)
	}
	for _, k := range c.Keys() {
		if k.Value() != k.Default {
			t.Errorf("%s: value %q, default %q", k.Name, k.Value(), k.Default)
		}
		if k.Help == "" {
			t.Errorf("%s has no help", k.Name)
		}
	}
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "strobe.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFileThenEnvironmentThenSet(t *testing.T) {
	path := write(t, "broker:\n  maxMessageSize: 1048576\n  managedLedgerCacheSizeMB: 8\nworker:\n  secretEnvironment: [A, B_*]\nbookie:\n")
	t.Setenv("STROBE_BROKER_MANAGEDLEDGERCACHESIZEMB", "16")
	c, errs := Load(path, []string{"broker.allowAutoTopicCreation=false"})
	if errs != nil {
		t.Fatal(errs)
	}
	if c.Broker.MaxMessageSize != 1<<20 || c.Broker.CacheSize != 16<<20 || c.Broker.AutoTopicCreation || strings.Join(c.Worker.SecretEnv, " ") != "A B_*" {
		t.Errorf("%+v", c)
	}
}

func TestAllErrorsAtOnceWithPlaceAndSuggestion(t *testing.T) {
	path := write(t, "broker:\n  maxMesageSize: 1\n  allowAutoTopicCreation: yes\n  keepAliveIntervalSeconds: 0\nbroker2:\n  x: 1\n")
	_, errs := Load(path, []string{"nonsense", "bookie.segmentSizeMb=1"})
	var all []string
	for _, e := range errs {
		all = append(all, e.Error())
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{
		":2:18: broker.maxMesageSize (did you mean broker.maxMessageSize?)",
		`:3:27: broker.allowAutoTopicCreation = "yes": want true or false`,
		`:4:29: broker.keepAliveIntervalSeconds = "0": want 1 to`,
		":5:1: section broker2 (did you mean broker?)",
		"STB-CONFIG-0005",
		"--set: bookie.segmentSizeMb (did you mean bookie.segmentSizeMB?)",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestDuplicateAndForeignVariables(t *testing.T) {
	path := write(t, "broker.maxMessageSize: 2048\nbroker:\n  maxMessageSize: 4096\n")
	t.Setenv("STROBE_POSTGRES_BIN", "/nowhere")
	t.Setenv("STROBE_BROKER_NOSUCH", "1")
	_, errs := Load(path, nil)
	if len(errs) != 2 || !fault.Has(errs[0], fault.ConfigDuplicate) || !fault.Has(errs[1], fault.ConfigUnknownKey) {
		t.Errorf("errors: %v", errs)
	}
}

// TestMessageFitsSegment: a message that could never be stored is not allowed.
func TestMessageFitsSegment(t *testing.T) {
	_, errs := Load("", []string{"bookie.segmentSizeMB=5"}) // the default of broker.maxMessageSize
	if len(errs) != 1 || !fault.Has(errs[0], fault.ConfigSegment) {
		t.Errorf("messages as large as a file of the log: %v", errs)
	}
	if _, errs := Load("", []string{"bookie.segmentSizeMB=1", "broker.maxMessageSize=524288"}); errs != nil {
		t.Error(errs)
	}
}
