package fault

// The part of the broker's table that connections use: STB-BROKER-0001 to 0499.
var (
	FrameLength = &Fault{
		Code:  "STB-BROKER-0001",
		Title: "wrong frame length",
		Cause: "The bytes where a frame's length belongs cannot be one: the peer does not speak the Pulsar protocol (a browser, TLS on the plain port), or bytes were lost. The connection was closed; others are not affected.",
		Fix:   "Point Pulsar clients, and nothing else, at this port; use pulsar+ssl:// only with a TLS port.",
	}
	MessageTooLarge = &Fault{
		Code:  "STB-BROKER-0002",
		Title: "message is too large",
		Cause: "A message exceeds broker.maxMessageSize. It was not stored; the connection goes on.",
		Fix:   "Send smaller messages, turn on chunking in the producer, or raise broker.maxMessageSize.",
	}
	EntryChecksum = &Fault{
		Code:  "STB-BROKER-0003",
		Title: "message does not have its checksum",
		Cause: "The bytes that arrived are not those that the producer computed the checksum of: they were damaged in memory or on the way. Nothing of the batch was stored.",
		Fix:   "The client sends it again by itself if its copy is good. If it repeats, suspect the sender's memory or a middlebox.",
	}
	EntryMalformed = &Fault{
		Code:  "STB-BROKER-0004",
		Title: "message cannot be taken apart",
		Cause: "What follows a SEND is not the size of the metadata, the metadata and a payload. Nothing was stored.",
		Fix:   "Update the client; no released Pulsar client sends such frames.",
	}
	CommandMalformed = &Fault{
		Code:  "STB-BROKER-0005",
		Title: "command cannot be read",
		Cause: "A command lacks a field that it must have, or is no protobuf message. The connection was closed.",
		Fix:   "Update the client; no released Pulsar client sends such commands.",
	}
	CommandUnknown = &Fault{
		Code:  "STB-BROKER-0006",
		Title: "unknown command",
		Cause: "The client sent a command that version 21 of the Pulsar protocol does not have, or one that only brokers send.",
		Fix:   "Use a client of Pulsar 4.x or older, or turn off the feature that sends the command.",
	}
	CommandUnsupported = &Fault{
		Code:  "STB-BROKER-0007",
		Title: "command is not supported",
		Cause: "The command belongs to a feature that Strobe does not have yet.",
		Fix:   "docs/protocol/supported.md lists what is there. Turn the feature off in the client.",
	}
	NotConnected = &Fault{
		Code:  "STB-BROKER-0008",
		Title: "connection did not begin with CONNECT",
		Cause: "The first command on a connection must be CONNECT, and it must come once and in time. The connection was closed.",
		Fix:   "Use a Pulsar client.",
	}
	ClientSilent = &Fault{
		Code:  "STB-BROKER-0009",
		Title: "client does not answer",
		Cause: "The client sent nothing, not even the answer to a ping, for twice broker.keepAliveIntervalSeconds. The connection was closed and its producers and consumers removed.",
		Fix:   "Look whether the client hangs or the network drops idle connections. Clients reconnect by themselves.",
	}
	NotAuthenticated = &Fault{
		Code:  "STB-BROKER-0010",
		Title: "authentication failed",
		Cause: "The credentials of CONNECT were refused.",
		Fix:   "Check the client's authentication settings.",
	}
	NotAuthorized = &Fault{
		Code:  "STB-BROKER-0011",
		Title: "not authorized",
		Cause: "The client's role may not do this.",
		Fix:   "Grant the role the action on the namespace or topic.",
	}
	ShuttingDown = &Fault{
		Code:  "STB-BROKER-0012",
		Title: "broker is shutting down",
		Cause: "The broker finishes what is under way and takes nothing new.",
		Fix:   "Nothing: clients find another broker, or this one after its restart, by themselves.",
	}
	TransactionsUnsupported = &Fault{
		Code:  "STB-BROKER-0013",
		Title: "transactions are not supported",
		Cause: "Strobe has no transaction coordinator yet.",
		Fix:   "Turn transactions off in the client.",
	}
	ConsumerUnknown = &Fault{
		Code:  "STB-BROKER-0014",
		Title: "no such consumer on this connection",
		Cause: "The command names a consumer id that was never subscribed here, or whose consumer was closed or disconnected meanwhile.",
		Fix:   "Nothing: clients subscribe again by themselves.",
	}
	HandleBusy = &Fault{
		Code:  "STB-BROKER-0015",
		Title: "producer or consumer is still being created",
		Cause: "An earlier PRODUCER or SUBSCRIBE with the same id is not finished.",
		Fix:   "Nothing: clients retry by themselves.",
	}
	SubscribeMalformed = &Fault{
		Code:  "STB-BROKER-0016",
		Title: "subscription request makes no sense",
		Cause: "The subscription type or key-shared mode is none of the protocol's.",
		Fix:   "Update the client.",
	}
	SchemaUnavailable = &Fault{
		Code:  "STB-BROKER-0017",
		Title: "no such schema",
		Cause: "The topic has no schema, or not that version.",
		Fix:   "Send a schema with a producer or consumer first.",
	}
	RequestFailed = &Fault{
		Code:  "STB-BROKER-0018",
		Title: "request failed",
		Cause: "A part of the broker answered with an error that has no code of its own; the detail says which.",
		Fix:   "Clients retry by themselves. If it stays, `strobe status` and the log say more.",
	}
	ClientNotReading = &Fault{
		Code:  "STB-BROKER-0020",
		Title: "client does not read what it is sent",
		Cause: "Answers to the client's own commands pile up because it takes nothing from the socket. The connection was closed.",
		Fix:   "Look whether the client hangs. Clients reconnect by themselves.",
	}
	SeekMalformed = &Fault{
		Code:  "STB-BROKER-0019",
		Title: "seek without a place",
		Cause: "SEEK must name a message id or a publish time.",
		Fix:   "Update the client.",
	}
)

// brokerFaults is the broker room's part of the table; what topics and subscriptions refuse is in topicFaults.
var brokerFaults = []*Fault{
	FrameLength, MessageTooLarge, EntryChecksum, EntryMalformed, CommandMalformed, CommandUnknown, CommandUnsupported,
	NotConnected, ClientSilent, NotAuthenticated, NotAuthorized, ShuttingDown, TransactionsUnsupported,
	ConsumerUnknown, HandleBusy, SubscribeMalformed, SchemaUnavailable, RequestFailed, SeekMalformed, ClientNotReading,
}
