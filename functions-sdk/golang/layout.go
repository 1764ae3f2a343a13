// Code generated from functions-sdk/abi/layout.go. DO NOT EDIT.

package strobe

// Version is what strobe_abi answers. A guest with another number is refused; 0 means that no handler was registered.
const version = 1

// RequestHeader is the size of a request's header: the number of topics and the number of records, each 32 bits.
const requestHeader = 8

// RecordFixed is the size of a record's fixed part, its size field included.
const recordFixed = 72

// Places in a record's fixed part.
const (
	recordSize        = 0  // u32: bytes of this record after this field
	recordIndex       = 4  // u32: place in the request, from 0
	recordTopic       = 8  // u32: index in the topic table
	recordFlags       = 12 // u32
	recordLedger      = 16 // i64: message id
	recordEntry       = 24 // i64: message id
	recordBatch       = 32 // i32: message id, -1 without a batch
	recordPartition   = 36 // i32: message id, -1 without partitions
	recordEventTime   = 40 // i64: ms since 1970, 0 for none
	recordPublishTime = 48 // i64: ms since 1970
	recordRedelivery  = 56 // u32: deliveries before this one
	recordKeySize     = 60 // u32
	recordProperties  = 64 // u32: number of properties
	recordPayloadSize = 68 // u32
)

// Flags of records and outputs.
const (
	flagKey  = 1 // there is a key, perhaps an empty one
	flagNull = 2 // the value is null, which differs from an empty one
)

// OutputTopic is the place of the function's own output in the topic table; its name is empty when the function has none.
const outputTopic = 0

// NamedTopic, in place of an index, says that an output carries the name of its topic itself.
const namedTopic = 0xffffffff

// ReplyHeader is the size of a reply's header: the number of statuses and the number of outputs, each 32 bits.
const replyHeader = 8

// StatusFixed is the size of a status without its text.
const statusFixed = 8

// Places in a status.
const (
	statusCode     = 0 // u32
	statusTextSize = 4 // u32: the text follows
)

// Codes of a status.
const (
	statusOK     = 0 // done, with all its outputs
	statusRetry  = 1 // a passing failure: the message is tried again later
	statusReject = 2 // never to be tried again: the message is parked with the text as the reason
)

// OutputFixed is the size of an output's fixed part, its size field included.
const outputFixed = 40

// Places in an output's fixed part.
const (
	outputSize        = 0  // u32: bytes of this output after this field
	outputInput       = 4  // u32: index of the record it was made from
	outputTopicIndex  = 8  // u32: index in the request's topic table, or NamedTopic
	outputFlags       = 12 // u32
	outputEventTime   = 16 // i64: ms since 1970, 0 for none
	outputNameSize    = 24 // u32: 0 unless the topic is NamedTopic
	outputKeySize     = 28 // u32
	outputProperties  = 32 // u32: number of properties
	outputPayloadSize = 36 // u32
)

// PropertyFixed is the size of a property without its key and value: the sizes of the two, each 32 bits.
const propertyFixed = 8

// Levels of a log line.
const (
	logDebug = 0
	logInfo  = 1
	logWarn  = 2
	logError = 3
)

// NoConfig is what the host function config answers for a key that is not set.
const noConfig = -1
