package host

import (
	"time"

	"github.com/strobemq/strobe/runtime/functions"
)

// The calls of the control protocol. Parent to child: hello, start, stop, status, judge. Child to parent: ended, load, save, shared, secret.
const (
	callHello  = "hello"
	callStart  = "start"
	callStop   = "stop"
	callStatus = "status"
	callJudge  = "judge"
	callEnded  = "ended"
	callLoad   = "load"
	callSave   = "save"
	callShared = "shared"
	callSecret = "secret"
)

// Settings are what every instance of a child shares; they are its hello.
type Settings struct {
	Pulsar         string        `json:"pulsar"` // pulsar://host:port of the broker
	HTTP           string        `json:"http"`   // http://host:port of the admin REST
	CacheDir       string        `json:"cacheDir"`
	LogDir         string        `json:"logDir"`
	LogBytes       int64         `json:"logBytes"`
	MaxMessageSize int           `json:"maxMessageSize"`
	GuestMemory    int64         `json:"guestMemory"`
	GuestDeadline  time.Duration `json:"guestDeadline"`
}

// key names an instance: one per kind, name and index, whatever its generation. run tells the lives of it apart.
type key struct {
	Kind  functions.Kind   `json:"kind"`
	Name  functions.FQName `json:"name"`
	Index int              `json:"index"`
	Run   uint64           `json:"run"`
}

type startCall struct {
	Key      key                `json:"key"`
	Instance functions.Instance `json:"instance"`
}

type stopCall struct {
	Key   key           `json:"key"`
	Drain time.Duration `json:"drain"`
}

// judgeCall asks whether a module can run as a function.
type judgeCall struct {
	Path   string `json:"path"`
	Memory int64  `json:"memory"`
}

// statusCall asks for the instances whose run is above After, in order of their runs, a page at a time: all at once could be more than a frame.
type statusCall struct {
	After uint64 `json:"after"`
}

type statusReply struct {
	Instances []instanceStatus `json:"instances"`
	More      bool             `json:"more,omitempty"`
}

// statusPage is how many statuses go into one answer: each may have hundreds of counters and ten long errors.
const statusPage = 64

type instanceStatus struct {
	Key    key              `json:"key"`
	Status functions.Status `json:"status"`
}

type checkpointCall struct {
	Key   key    `json:"key"`
	Value []byte `json:"value,omitempty"`
}

// sharedCall reads a value that the instances of a deployment share or, with Swap, replaces it if it is Old. The answer is the value it then has.
type sharedCall struct {
	Key  key    `json:"key"`
	Name string `json:"name"`
	Swap bool   `json:"swap,omitempty"`
	Old  []byte `json:"old,omitempty"`
	New  []byte `json:"new,omitempty"`
}

type sharedReply struct {
	Value []byte `json:"value,omitempty"`
}

type secretCall struct {
	Ref string `json:"ref"`
}
