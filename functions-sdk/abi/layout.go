package abi

// Everything in this file is shared with guests: functions-sdk/golang/layout.go is generated from it.

// Version is what strobe_abi answers. A guest with another number is refused; 0 means that no handler was registered.
const Version = 1

// RequestHeader is the size of a request's header: the number of topics and the number of records, each 32 bits.
const RequestHeader = 8

// RecordFixed is the size of a record's fixed part, its size field included.
const RecordFixed = 72

// Places in a record's fixed part.
const (
	RecordSize        = 0  // u32: bytes of this record after this field
	RecordIndex       = 4  // u32: place in the request, from 0
	RecordTopic       = 8  // u32: index in the topic table
	RecordFlags       = 12 // u32
	RecordLedger      = 16 // i64: message id
	RecordEntry       = 24 // i64: message id
	RecordBatch       = 32 // i32: message id, -1 without a batch
	RecordPartition   = 36 // i32: message id, -1 without partitions
	RecordEventTime   = 40 // i64: ms since 1970, 0 for none
	RecordPublishTime = 48 // i64: ms since 1970
	RecordRedelivery  = 56 // u32: deliveries before this one
	RecordKeySize     = 60 // u32
	RecordProperties  = 64 // u32: number of properties
	RecordPayloadSize = 68 // u32
)

// Flags of records and outputs.
const (
	FlagKey  = 1 // there is a key, perhaps an empty one
	FlagNull = 2 // the value is null, which differs from an empty one
)

// OutputTopic is the place of the function's own output in the topic table; its name is empty when the function has none.
const OutputTopic = 0

// NamedTopic, in place of an index, says that an output carries the name of its topic itself.
const NamedTopic = 0xffffffff

// ReplyHeader is the size of a reply's header: the number of statuses and the number of outputs, each 32 bits.
const ReplyHeader = 8

// StatusFixed is the size of a status without its text.
const StatusFixed = 8

// Places in a status.
const (
	StatusCode     = 0 // u32
	StatusTextSize = 4 // u32: the text follows
)

// Codes of a status.
const (
	StatusOK     = 0 // done, with all its outputs
	StatusRetry  = 1 // a passing failure: the message is tried again later
	StatusReject = 2 // never to be tried again: the message is parked with the text as the reason
)

// OutputFixed is the size of an output's fixed part, its size field included.
const OutputFixed = 40

// Places in an output's fixed part.
const (
	OutputSize        = 0  // u32: bytes of this output after this field
	OutputInput       = 4  // u32: index of the record it was made from
	OutputTopicIndex  = 8  // u32: index in the request's topic table, or NamedTopic
	OutputFlags       = 12 // u32
	OutputEventTime   = 16 // i64: ms since 1970, 0 for none
	OutputNameSize    = 24 // u32: 0 unless the topic is NamedTopic
	OutputKeySize     = 28 // u32
	OutputProperties  = 32 // u32: number of properties
	OutputPayloadSize = 36 // u32
)

// PropertyFixed is the size of a property without its key and value: the sizes of the two, each 32 bits.
const PropertyFixed = 8

// Levels of a log line.
const (
	LogDebug = 0
	LogInfo  = 1
	LogWarn  = 2
	LogError = 3
)

// NoConfig is what the host function config answers for a key that is not set.
const NoConfig = -1
