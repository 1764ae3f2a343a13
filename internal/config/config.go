// Package config holds every configuration key of Strobe in one table, and reads them from strobe.yaml, the environment and --set,
// in this order; later ones win. Keys are Apache Pulsar's names under room headings where Apache has one
// (broker.maxMessageSize), because tools that set configuration over REST use those names.
package config

import (
	"os"
	"strings"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// Config is the configuration of one process. Sizes are bytes, whatever unit the key is written in.
type Config struct {
	Metadata Metadata
	Broker   Broker
	Bookie   Bookie
	HTTP     HTTP
	Worker   Worker
	Log      Log
}

// Metadata says where the metadata of a cluster is. Password and Key are references, env:NAME or file:/path.
type Metadata struct {
	URL                                                 string
	SessionTimeout                                      time.Duration
	User, Password, CA, Certificate, Key, TLSServerName string
}

// Broker configures broker and managed ledgers.
type Broker struct {
	ClusterName               string
	MaxMessageSize            int64
	KeepAlive                 time.Duration
	AutoTopicCreation         bool
	AutoTopicCreationType     string
	DefaultPartitions         int64
	AutoSubscriptionCreation  bool
	BatchIndexAck             bool
	EntryMetadata             bool
	Deduplication             bool
	DedupSnapshotEntries      int64
	DedupProducerInactivity   time.Duration
	MaxUnackedPerConsumer     int64
	MaxUnackedPerSubscription int64
	PublishBuffer             int64
	RetentionTime             time.Duration
	RetentionSize             int64
	CacheSize                 int64
	Ensemble                  int64
	WriteQuorum               int64
	AckQuorum                 int64
	MaxEntriesPerLedger       int64
	MaxSizePerLedger          int64
	MinRollover               time.Duration
	MaxRollover               time.Duration
	CursorFlush               time.Duration
	NamespaceBundles          int64
}

// Bookie configures the store.
type Bookie struct {
	SegmentSize    int64
	DiskReserve    int64
	QueueSize      int64
	GarbageCollect time.Duration
}

// HTTP configures the REST server.
type HTTP struct {
	MaxUpload int64
	Origins   []string
	Hosts     []string
}

// Worker configures functions and connectors.
type Worker struct {
	SecretEnv     []string
	SecretDirs    []string
	GuestMemory   int64
	GuestDeadline time.Duration
	MaxAttempts   int64
	CacheDir      string
	LogSize       int64
}

// Log configures the process's own log, on standard error.
type Log struct {
	Level string
}

// Key is one row of the table.
type Key struct {
	Name    string // broker.maxMessageSize
	Type    string // string, int, bytes, MB, bool, seconds, milliseconds, minutes, list
	Default string
	Help    string
	set     func(string) error
	get     func() string
}

// Value is what the key is set to, in the form it is written.
func (k Key) Value() string { return k.get() }

// New returns the defaults.
func New() *Config {
	c := &Config{}
	for _, k := range c.Keys() {
		if err := k.set(k.Default); err != nil {
			panic("config: default of " + k.Name + ": " + err.Error())
		}
	}
	return c
}

// Set sets one key from its written form; where says where it stood, for the error.
func (c *Config) Set(name, value, where string) error {
	keys := c.Keys()
	for _, k := range keys {
		if k.Name != name {
			continue
		}
		if err := k.set(value); err != nil {
			return fault.ConfigBadValue.New("%s: %s = %q: %v", where, name, value, err)
		}
		return nil
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.Name
	}
	return fault.ConfigUnknownKey.New("%s: %s%s", where, name, fault.DidYouMean(name, names))
}

// SetPair takes one argument of --set.
func (c *Config) SetPair(pair string) error {
	name, value, ok := strings.Cut(pair, "=")
	if !ok || name == "" {
		return fault.ConfigSetForm.New("--set %s", pair)
	}
	return c.Set(name, value, "--set")
}

// SetEnvironment takes the variables STROBE_<SECTION>_<KEY> of environ ("NAME=value" each), where SECTION_KEY is the key in upper
// case with the dot as underscore. Variables of sections that do not exist are somebody else's and left alone.
func (c *Config) SetEnvironment(environ []string) []error {
	var errs []error
	names := map[string]string{}
	var all []string
	for _, k := range c.Keys() {
		v := variable(k.Name)
		names[v] = k.Name
		all = append(all, v)
	}
	for _, pair := range environ {
		v, value, _ := strings.Cut(pair, "=")
		if name, ok := names[v]; ok {
			if err := c.Set(name, value, "environment variable "+v); err != nil {
				errs = append(errs, err)
			}
			continue
		}
		for _, section := range sections {
			if strings.HasPrefix(v, "STROBE_"+strings.ToUpper(section)+"_") {
				errs = append(errs, fault.ConfigUnknownKey.New("environment variable %s%s", v, fault.DidYouMean(v, all)))
			}
		}
	}
	return errs
}

func variable(key string) string {
	return "STROBE_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// Load reads the file (none if path is empty), then the process's environment, then the --set pairs, and returns all errors at
// once.
func Load(path string, pairs []string) (*Config, []error) {
	c := New()
	var errs []error
	if path != "" {
		errs = append(errs, c.readFile(path)...)
	}
	errs = append(errs, c.SetEnvironment(os.Environ())...)
	for _, p := range pairs {
		if err := c.SetPair(p); err != nil {
			errs = append(errs, err)
		}
	}
	if most := c.Broker.MaxMessageSize + entryPadding; len(errs) == 0 && most > c.Bookie.SegmentSize {
		errs = append(errs, fault.ConfigSegment.New("broker.maxMessageSize is %d, a file of the log takes %d bytes", c.Broker.MaxMessageSize, c.Bookie.SegmentSize))
	}
	return c, errs
}

// entryPadding is more than what an entry of the log has beyond its message, with what the file itself needs.
const entryPadding = 64 << 10
