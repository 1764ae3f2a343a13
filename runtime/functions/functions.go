// Package functions is the vocabulary of the worker: what a deployed function, source or sink is (Spec), how its instances
// fare (Status), and the seam through which instances are started (Launcher, Handle).
package functions

import (
	"context"
	"time"
)

// Kind tells the three loops apart.
type Kind string

const (
	KindFunction Kind = "function"
	KindSource   Kind = "source"
	KindSink     Kind = "sink"
)

// FQName is a deployment's full name.
type FQName struct {
	Tenant    string `json:"tenant"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

// String is tenant/namespace/name.
func (n FQName) String() string { return n.Tenant + "/" + n.Namespace + "/" + n.Name }

// Artifact names a stored WASM module by its content.
type Artifact struct {
	SHA256 string `json:"sha256"` // lower-case hex
	Size   int64  `json:"size"`
	Ledger int64  `json:"ledger"` // where the bytes lie; the host gets them as a file
}

// Spec is the desired state of one deployment. It is stored as JSON under /strobe/…, so fields only ever get added.
type Spec struct {
	FQName
	Kind       Kind  `json:"kind"`
	Generation int64 `json:"generation"` // rises with every change a user makes
	// Life differs between deployments that had the same name one after the other. A source's producers are named by it: topics remember for days
	// how far the producers of the one before had counted.
	Life    string `json:"life,omitempty"`
	Stopped bool   `json:"stopped,omitempty"`
	// Deleting is set when a user deletes the deployment, and never taken back: from then on it only goes away. The record is the last that goes.
	Deleting bool `json:"deleting,omitempty"`
	// RestartNonce changes when a user asks for a restart.
	RestartNonce int64 `json:"restartNonce,omitempty"`
	Parallelism  int   `json:"parallelism"`

	// Functions:
	Inputs       []string          `json:"inputs,omitempty"` // full topic names
	Output       string            `json:"output,omitempty"`
	Subscription string            `json:"subscription,omitempty"`
	Position     string            `json:"position,omitempty"` // "latest" or "earliest", for a new subscription
	Ordered      bool              `json:"ordered,omitempty"`  // Failover instead of Shared
	Artifact     *Artifact         `json:"artifact,omitempty"`
	UserConfig   map[string]string `json:"userConfig,omitempty"`

	// Sources and sinks:
	Connector string         `json:"connector,omitempty"`
	Config    map[string]any `json:"config,omitempty"` // as written, secrets as references

	Guarantee   string        `json:"guarantee"` // at-least-once, effectively-once, at-most-once
	MaxAttempts int           `json:"maxAttempts"`
	DeadLetter  string        `json:"deadLetter"` // full topic name
	LogTopic    string        `json:"logTopic,omitempty"`
	MemoryBytes int64         `json:"memoryBytes"` // cap of a guest's memory
	Deadline    time.Duration `json:"deadline"`    // per call into a guest
}

// State of an instance.
type State string

const (
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateBackoff  State = "backing-off" // will start again by itself
	StateFailed   State = "failed"      // needs a person: see Error
	StateStopped  State = "stopped"
	StateDeleting State = "deleting" // stopped for good: what belonged to it is being removed
)

// Status is what one instance says of itself. Counters count from the start of the instance.
type Status struct {
	Instance   int       `json:"instance"`
	Generation int64     `json:"generation"` // the spec generation that runs
	State      State     `json:"state"`
	Error      string    `json:"error,omitempty"` // with its code, when there is one
	Code       string    `json:"code,omitempty"`
	Since      time.Time `json:"since"`
	Restarts   int64     `json:"restarts"`

	Received     int64     `json:"received"`
	Processed    int64     `json:"processed"` // inputs done, outputs durable
	Written      int64     `json:"written"`   // outputs accepted
	Retried      int64     `json:"retried"`
	Parked       int64     `json:"parked"`
	UserErrors   int64     `json:"userErrors"`
	SystemErrors int64     `json:"systemErrors"`
	LastInvoked  time.Time `json:"lastInvoked,omitzero"`
	AvgLatencyMs float64   `json:"avgLatencyMs"`
	LagMessages  int64     `json:"lagMessages,omitempty"`
	LagSeconds   float64   `json:"lagSeconds,omitempty"`
	RecentErrors []Event   `json:"recentErrors,omitempty"` // newest last, at most ten
	// Counters and Gauges are the connector's own.
	Counters map[string]int64   `json:"counters,omitempty"`
	Gauges   map[string]float64 `json:"gauges,omitempty"`
}

// Event is one error with its time.
type Event struct {
	Time   time.Time `json:"time"`
	Text   string    `json:"text"`
	System bool      `json:"system,omitempty"` // ours or the broker's, not the guest's
}

// Instance is one instance to start.
type Instance struct {
	Spec  Spec
	Index int    // 0 … Parallelism-1
	Wasm  string // path of the artefact's file, for functions
}

// Launcher starts instances; implemented by runtime/host (the child process), later by runtime/pod.
type Launcher interface {
	// Start begins an instance and returns at once; its progress is in Status. The Launcher restarts nothing: the reconciler does.
	Start(ctx context.Context, in Instance) (Handle, error)
}

// Handle is one started instance.
type Handle interface {
	// Status is the newest known; ok is false once the instance is gone (its process died).
	Status() (s Status, ok bool)
	// Done is closed when the instance has ended, by itself, by Stop or with its process.
	Done() <-chan struct{}
	// Stop ends the instance, draining what is in flight until ctx is done, and joins it. Idempotent.
	Stop(ctx context.Context) error
}
