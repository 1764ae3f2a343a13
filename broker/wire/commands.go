package wire

import "strconv"

// Type is the wire id of a command.
type Type uint32

const (
	TypeConnect                     Type = 2
	TypeConnected                   Type = 3
	TypeSubscribe                   Type = 4
	TypeProducer                    Type = 5
	TypeSend                        Type = 6
	TypeSendReceipt                 Type = 7
	TypeSendError                   Type = 8
	TypeMessage                     Type = 9
	TypeAck                         Type = 10
	TypeFlow                        Type = 11
	TypeUnsubscribe                 Type = 12
	TypeSuccess                     Type = 13
	TypeError                       Type = 14
	TypeCloseProducer               Type = 15
	TypeCloseConsumer               Type = 16
	TypeProducerSuccess             Type = 17
	TypePing                        Type = 18
	TypePong                        Type = 19
	TypeRedeliverUnacknowledged     Type = 20
	TypePartitionedMetadata         Type = 21
	TypePartitionedMetadataResponse Type = 22
	TypeLookup                      Type = 23
	TypeLookupResponse              Type = 24
	TypeConsumerStats               Type = 25
	TypeConsumerStatsResponse       Type = 26
	TypeReachedEndOfTopic           Type = 27
	TypeSeek                        Type = 28
	TypeGetLastMessageID            Type = 29
	TypeGetLastMessageIDResponse    Type = 30
	TypeActiveConsumerChange        Type = 31
	TypeGetTopicsOfNamespace        Type = 32
	TypeGetTopicsResponse           Type = 33
	TypeGetSchema                   Type = 34
	TypeGetSchemaResponse           Type = 35
	TypeAuthChallenge               Type = 36
	TypeAuthResponse                Type = 37
	TypeAckResponse                 Type = 38
	TypeGetOrCreateSchema           Type = 39
	TypeGetOrCreateSchemaResponse   Type = 40
	TypeNewTxn                      Type = 50
	TypeNewTxnResponse              Type = 51
	TypeAddPartitionToTxn           Type = 52
	TypeAddPartitionToTxnResponse   Type = 53
	TypeAddSubscriptionToTxn        Type = 54
	TypeAddSubscriptionResponse     Type = 55
	TypeEndTxn                      Type = 56
	TypeEndTxnResponse              Type = 57
	TypeEndTxnOnPartition           Type = 58
	TypeEndTxnOnPartitionResponse   Type = 59
	TypeEndTxnOnSubscription        Type = 60
	TypeEndTxnOnSubscriptionResp    Type = 61
	TypeTcClientConnect             Type = 62
	TypeTcClientConnectResponse     Type = 63
	TypeWatchTopicList              Type = 64
	TypeWatchTopicListSuccess       Type = 65
	TypeWatchTopicUpdate            Type = 66
	TypeWatchTopicListClose         Type = 67
	TypeTopicMigrated               Type = 68
)

// Side says who sends a command.
type Side uint8

const (
	FromClient Side = 1
	FromBroker Side = 2
	FromBoth        = FromClient | FromBroker
)

func (s Side) String() string { return [...]string{"", "client", "broker", "both"}[s&3] }

// State says what the broker does with a command, or when it sends it.
type State uint8

const (
	Handled State = 1 // done as the protocol says
	Refused State = 2 // answered with the protocol's own error
	Unsent  State = 3 // a broker's command that this broker has no reason to send yet
)

func (s State) String() string {
	return [...]string{"", "yes", "answered with an error", "not sent"}[s&3]
}

// Command is one line of the table.
type Command struct {
	Type  Type
	Name  string // the protocol's
	Since int    // the protocol version that announced it; 0: none did
	From  Side
	State State
	Note  string // what is left out, or where it stands
}

// Commands is every command of the protocol by wire id. docs/protocol/supported.md is written from it (go test ./broker/wire -update).
var Commands = []Command{
	{TypeConnect, "CONNECT", 0, FromClient, Handled, ""},
	{TypeConnected, "CONNECTED", 0, FromBroker, Handled, ""},
	{TypeSubscribe, "SUBSCRIBE", 0, FromClient, Handled, "read_compacted reads the whole topic; replicate_subscription_state has no effect"},
	{TypeProducer, "PRODUCER", 0, FromClient, Handled, ""},
	{TypeSend, "SEND", 0, FromClient, Handled, "the checksum is verified before anything is stored; with a transaction: SEND_ERROR"},
	{TypeSendReceipt, "SEND_RECEIPT", 0, FromBroker, Handled, ""},
	{TypeSendError, "SEND_ERROR", 0, FromBroker, Handled, ""},
	{TypeMessage, "MESSAGE", 0, FromBroker, Handled, ""},
	{TypeAck, "ACK", 0, FromClient, Handled, "several ids, ack sets; with a transaction: an error"},
	{TypeFlow, "FLOW", 0, FromClient, Handled, ""},
	{TypeUnsubscribe, "UNSUBSCRIBE", 0, FromClient, Handled, ""},
	{TypeSuccess, "SUCCESS", 0, FromBroker, Handled, ""},
	{TypeError, "ERROR", 0, FromBroker, Handled, ""},
	{TypeCloseProducer, "CLOSE_PRODUCER", 0, FromBoth, Handled, "to clients since version 5"},
	{TypeCloseConsumer, "CLOSE_CONSUMER", 0, FromBoth, Handled, "to clients since version 5"},
	{TypeProducerSuccess, "PRODUCER_SUCCESS", 0, FromBroker, Handled, ""},
	{TypePing, "PING", 1, FromBoth, Handled, ""},
	{TypePong, "PONG", 1, FromBoth, Handled, ""},
	{TypeRedeliverUnacknowledged, "REDELIVER_UNACKNOWLEDGED_MESSAGES", 2, FromClient, Handled, ""},
	{TypePartitionedMetadata, "PARTITIONED_METADATA", 7, FromClient, Handled, ""},
	{TypePartitionedMetadataResponse, "PARTITIONED_METADATA_RESPONSE", 7, FromBroker, Handled, ""},
	{TypeLookup, "LOOKUP", 7, FromClient, Handled, ""},
	{TypeLookupResponse, "LOOKUP_RESPONSE", 7, FromBroker, Handled, ""},
	{TypeConsumerStats, "CONSUMER_STATS", 8, FromClient, Handled, "rates are 0; statistics over REST have them"},
	{TypeConsumerStatsResponse, "CONSUMER_STATS_RESPONSE", 8, FromBroker, Handled, ""},
	{TypeReachedEndOfTopic, "REACHED_END_OF_TOPIC", 9, FromBroker, Handled, ""},
	{TypeSeek, "SEEK", 0, FromClient, Handled, ""},
	{TypeGetLastMessageID, "GET_LAST_MESSAGE_ID", 12, FromClient, Handled, ""},
	{TypeGetLastMessageIDResponse, "GET_LAST_MESSAGE_ID_RESPONSE", 12, FromBroker, Handled, ""},
	{TypeActiveConsumerChange, "ACTIVE_CONSUMER_CHANGE", 12, FromBroker, Handled, ""},
	{TypeGetTopicsOfNamespace, "GET_TOPICS_OF_NAMESPACE", 12, FromClient, Handled, "a pattern that Go's regular expressions lack is left to the client"},
	{TypeGetTopicsResponse, "GET_TOPICS_OF_NAMESPACE_RESPONSE", 12, FromBroker, Handled, ""},
	{TypeGetSchema, "GET_SCHEMA", 0, FromClient, Handled, ""},
	{TypeGetSchemaResponse, "GET_SCHEMA_RESPONSE", 0, FromBroker, Handled, ""},
	{TypeAuthChallenge, "AUTH_CHALLENGE", 14, FromBroker, Unsent, "no authentication yet"},
	{TypeAuthResponse, "AUTH_RESPONSE", 14, FromClient, Refused, "nothing was asked"},
	{TypeAckResponse, "ACK_RESPONSE", 17, FromBroker, Handled, ""},
	{TypeGetOrCreateSchema, "GET_OR_CREATE_SCHEMA", 15, FromClient, Handled, ""},
	{TypeGetOrCreateSchemaResponse, "GET_OR_CREATE_SCHEMA_RESPONSE", 15, FromBroker, Handled, ""},
	{TypeNewTxn, "NEW_TXN", 0, FromClient, Refused, "no transactions yet"},
	{TypeNewTxnResponse, "NEW_TXN_RESPONSE", 0, FromBroker, Handled, "with an error"},
	{TypeAddPartitionToTxn, "ADD_PARTITION_TO_TXN", 0, FromClient, Refused, "no transactions yet"},
	{TypeAddPartitionToTxnResponse, "ADD_PARTITION_TO_TXN_RESPONSE", 0, FromBroker, Handled, "with an error"},
	{TypeAddSubscriptionToTxn, "ADD_SUBSCRIPTION_TO_TXN", 0, FromClient, Refused, "no transactions yet"},
	{TypeAddSubscriptionResponse, "ADD_SUBSCRIPTION_TO_TXN_RESPONSE", 0, FromBroker, Handled, "with an error"},
	{TypeEndTxn, "END_TXN", 0, FromClient, Refused, "no transactions yet"},
	{TypeEndTxnResponse, "END_TXN_RESPONSE", 0, FromBroker, Handled, "with an error"},
	{TypeEndTxnOnPartition, "END_TXN_ON_PARTITION", 0, FromClient, Refused, "between brokers; no transactions yet"},
	{TypeEndTxnOnPartitionResponse, "END_TXN_ON_PARTITION_RESPONSE", 0, FromBroker, Handled, "with an error"},
	{TypeEndTxnOnSubscription, "END_TXN_ON_SUBSCRIPTION", 0, FromClient, Refused, "between brokers; no transactions yet"},
	{TypeEndTxnOnSubscriptionResp, "END_TXN_ON_SUBSCRIPTION_RESPONSE", 0, FromBroker, Handled, "with an error"},
	{TypeTcClientConnect, "TC_CLIENT_CONNECT_REQUEST", 19, FromClient, Refused, "no transactions yet"},
	{TypeTcClientConnectResponse, "TC_CLIENT_CONNECT_RESPONSE", 19, FromBroker, Handled, "with an error"},
	{TypeWatchTopicList, "WATCH_TOPIC_LIST", 0, FromClient, Handled, "persistent topics; a pattern that Go's regular expressions lack is refused, the client then polls"},
	{TypeWatchTopicListSuccess, "WATCH_TOPIC_LIST_SUCCESS", 0, FromBroker, Handled, ""},
	{TypeWatchTopicUpdate, "WATCH_TOPIC_UPDATE", 0, FromBroker, Handled, ""},
	{TypeWatchTopicListClose, "WATCH_TOPIC_LIST_CLOSE", 0, FromClient, Handled, ""},
	{TypeTopicMigrated, "TOPIC_MIGRATED", 20, FromBroker, Unsent, "no migration between clusters yet"},
}

// byType finds a command's line; nil: no such command.
var byType = func() (t [TypeTopicMigrated + 1]*Command) {
	for i := range Commands {
		t[Commands[i].Type] = &Commands[i]
	}
	return t
}()

// Find returns the table's line of a type; nil when the protocol (as known here) has none.
func Find(t Type) *Command {
	if int64(t) < int64(len(byType)) {
		return byType[t]
	}
	return nil
}

func (t Type) String() string {
	if c := Find(t); c != nil {
		return c.Name
	}
	return "command " + strconv.FormatUint(uint64(t), 10)
}
