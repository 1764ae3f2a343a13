package functions

import (
	"encoding/json"
	"time"
)

// The JSON shapes of REST v3, shared by the worker and the CLI.

// FunctionConfig is Pulsar's FunctionConfig, as far as a WASM function has a use for it. Fields that are absent from a request are
// nil or empty and leave what is there; options that ask for what does not exist are refused by unsupported.
type FunctionConfig struct {
	Tenant               string                    `json:"tenant,omitempty"`
	Namespace            string                    `json:"namespace,omitempty"`
	Name                 string                    `json:"name,omitempty"`
	ClassName            string                    `json:"className,omitempty"`
	Inputs               []string                  `json:"inputs,omitempty"`
	InputSpecs           map[string]ConsumerConfig `json:"inputSpecs,omitempty"`
	CustomSerdeInputs    map[string]string         `json:"customSerdeInputs,omitempty"`
	CustomSchemaInputs   map[string]string         `json:"customSchemaInputs,omitempty"`
	TopicsPattern        *string                   `json:"topicsPattern,omitempty"`
	Output               string                    `json:"output,omitempty"`
	LogTopic             string                    `json:"logTopic,omitempty"`
	ProcessingGuarantees string                    `json:"processingGuarantees,omitempty"`
	RetainOrdering       bool                      `json:"retainOrdering"`
	RetainKeyOrdering    bool                      `json:"retainKeyOrdering"`
	UserConfig           map[string]any            `json:"userConfig,omitempty"`
	Secrets              map[string]any            `json:"secrets,omitempty"`
	Runtime              string                    `json:"runtime,omitempty"`
	AutoAck              *bool                     `json:"autoAck,omitempty"`
	MaxMessageRetries    *int                      `json:"maxMessageRetries,omitempty"`
	DeadLetterTopic      string                    `json:"deadLetterTopic,omitempty"`
	SubName              string                    `json:"subName,omitempty"`
	Parallelism          int                       `json:"parallelism,omitempty"`
	Resources            *Resources                `json:"resources,omitempty"`
	WindowConfig         json.RawMessage           `json:"windowConfig,omitempty"`
	TimeoutMs            *int64                    `json:"timeoutMs,omitempty"`
	SubscriptionPosition string                    `json:"subscriptionPosition,omitempty"`
	SkipToLatest         bool                      `json:"skipToLatest,omitempty"`
	CleanupSubscription  *bool                     `json:"cleanupSubscription,omitempty"`
	CustomRuntimeOptions string                    `json:"customRuntimeOptions,omitempty"`
}

type ConsumerConfig struct {
	RegexPattern   bool              `json:"regexPattern,omitempty"`
	IsRegexPattern bool              `json:"isRegexPattern,omitempty"`
	ReceiverQueue  *int              `json:"receiverQueueSize,omitempty"`
	PoolMessages   bool              `json:"poolMessages,omitempty"`
	SchemaType     string            `json:"schemaType,omitempty"`
	SerdeClassName string            `json:"serdeClassName,omitempty"`
	SchemaProps    map[string]string `json:"schemaProperties,omitempty"`
	ConsumerProps  map[string]string `json:"consumerProperties,omitempty"`
}

type Resources struct {
	CPU  float64 `json:"cpu"`
	RAM  int64   `json:"ram"`
	Disk int64   `json:"disk"`
}

// RuntimeOptions is what Strobe puts into customRuntimeOptions: what Pulsar's FunctionConfig has no field for.
type RuntimeOptions struct {
	MemoryBytes int64  `json:"memoryBytes,omitempty"`
	DeadlineMs  int64  `json:"deadlineMs,omitempty"`
	MaxAttempts int    `json:"maxAttempts,omitempty"`
	SHA256      string `json:"sha256,omitempty"` // of the module; in answers only
}

// SourceConfig is Pulsar's SourceConfig, as far as connectors have a use for it.
type SourceConfig struct {
	Tenant               string          `json:"tenant,omitempty"`
	Namespace            string          `json:"namespace,omitempty"`
	Name                 string          `json:"name,omitempty"`
	ClassName            string          `json:"className,omitempty"`
	TopicName            string          `json:"topicName,omitempty"`
	SourceType           string          `json:"sourceType,omitempty"`
	Archive              string          `json:"archive,omitempty"`
	Configs              map[string]any  `json:"configs,omitempty"`
	Secrets              map[string]any  `json:"secrets,omitempty"`
	Parallelism          int             `json:"parallelism,omitempty"`
	ProcessingGuarantees string          `json:"processingGuarantees,omitempty"`
	LogTopic             string          `json:"logTopic,omitempty"`
	BatchSourceConfig    json.RawMessage `json:"batchSourceConfig,omitempty"`
	CustomRuntimeOptions string          `json:"customRuntimeOptions,omitempty"`
}

// SourceOptions is what Strobe puts into a source's customRuntimeOptions.
type SourceOptions struct {
	DeadLetter  string `json:"deadLetter,omitempty"`
	MaxAttempts int    `json:"maxAttempts,omitempty"`
}

// InstanceStatus is Pulsar's form of the state of a function's or source's instance, with all that Strobe knows in Strobe.
type InstanceStatus struct {
	Running                  bool            `json:"running"`
	Error                    string          `json:"error"`
	NumRestarts              int64           `json:"numRestarts"`
	NumReceived              int64           `json:"numReceived"`
	NumReceivedFromSource    int64           `json:"numReceivedFromSource"`
	NumSuccessfullyProcessed int64           `json:"numSuccessfullyProcessed"`
	NumWritten               int64           `json:"numWritten"`
	NumUserExceptions        int64           `json:"numUserExceptions"`
	LatestUserExceptions     []ExceptionInfo `json:"latestUserExceptions"`
	NumSystemExceptions      int64           `json:"numSystemExceptions"`
	LatestSystemExceptions   []ExceptionInfo `json:"latestSystemExceptions"`
	NumSourceExceptions      int64           `json:"numSourceExceptions"`
	LatestSourceExceptions   []ExceptionInfo `json:"latestSourceExceptions"`
	AverageLatency           float64         `json:"averageLatency"`
	LastInvocationTime       int64           `json:"lastInvocationTime"`
	LastReceivedTime         int64           `json:"lastReceivedTime"`
	WorkerID                 string          `json:"workerId"`
	Strobe                   Status          `json:"strobe"`
}

type ExceptionInfo struct {
	ExceptionString string `json:"exceptionString"`
	TimestampMs     int64  `json:"timestampMs"`
}

type InstanceEntry struct {
	InstanceID int            `json:"instanceId"`
	Status     InstanceStatus `json:"status"`
}

type DeploymentStatus struct {
	NumInstances int             `json:"numInstances"`
	NumRunning   int             `json:"numRunning"`
	Instances    []InstanceEntry `json:"instances"`
}

// ParkedMessage is a message in a dead-letter topic, as REST shows it.
type ParkedMessage struct {
	ID         string            `json:"id"` // ledger:entry[:index] in the dead-letter topic
	Reason     string            `json:"reason"`
	Code       string            `json:"code,omitempty"`
	Topic      string            `json:"topic"` // where it came from
	From       string            `json:"from"`  // its id there
	Attempts   int               `json:"attempts"`
	Time       time.Time         `json:"time"`
	Key        string            `json:"key,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Size       int               `json:"size"`
	Null       bool              `json:"null,omitempty"`
	Text       string            `json:"text,omitempty"`  // the payload, if it is text; only when one message is shown
	Bytes      []byte            `json:"bytes,omitempty"` // the payload otherwise, as base64
}

// Guarantees are the processing guarantees by Pulsar's names.
var Guarantees = map[string]string{
	"ATLEAST_ONCE": "at-least-once", "ATMOST_ONCE": "at-most-once", "EFFECTIVELY_ONCE": "effectively-once",
}
