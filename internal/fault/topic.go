package fault

// The part of the broker's table that topics and subscriptions use: STB-BROKER-0500 and above.
var (
	TopicName = &Fault{
		Code:  "STB-BROKER-0500",
		Title: "not a topic name",
		Cause: "A topic is named persistent://tenant/namespace/name or non-persistent://tenant/namespace/name; tenant and namespace consist of letters, digits and - = : . _. The domains topic:// and segment:// are reserved for Pulsar 5.",
		Fix:   "Write the full name, the form tenant/namespace/name, or just a name in public/default.",
	}
	TopicNotFound = &Fault{
		Code:  "STB-BROKER-0501",
		Title: "topic does not exist",
		Cause: "Nothing was ever published to the topic, or it was deleted, and this request does not create topics.",
		Fix:   "Create it with `strobe topics create`, or allow automatic creation in the namespace.",
	}
	TopicGoing = &Fault{
		Code:  "STB-BROKER-0502",
		Title: "topic is being unloaded or deleted",
		Cause: "The topic moves, is reloaded or is being deleted at this moment. Nothing is lost: what was acknowledged is stored.",
		Fix:   "Nothing: clients look the topic up again and retry by themselves.",
	}
	TopicFenced = &Fault{
		Code:  "STB-BROKER-0503",
		Title: "topic was taken over by another broker",
		Cause: "Another broker opened the topic's ledgers, so this one may not write any more and gives the topic up.",
		Fix:   "Nothing: clients find the new owner by themselves. If it repeats, two clusters share one metadata store.",
	}
	TopicTerminated = &Fault{
		Code:  "STB-BROKER-0504",
		Title: "topic is terminated",
		Cause: "Somebody ended the topic for good (topics terminate): it can be read and takes no more messages.",
		Fix:   "Publish to another topic, or delete this one and create it again.",
	}
	TopicInUse = &Fault{
		Code:  "STB-BROKER-0505",
		Title: "topic has producers or consumers",
		Cause: "Deleting the topic would cut off clients that are connected to it.",
		Fix:   "Stop the clients first, or delete with --force.",
	}
	TopicLoad = &Fault{
		Code:  "STB-BROKER-0506",
		Title: "topic could not be loaded",
		Cause: "Its managed ledger, a cursor or the deduplication state could not be opened; the detail says which. The storage may be unavailable or still recovering.",
		Fix:   "Clients retry by themselves. If it stays, `strobe status` shows which part of the storage is not ready.",
	}
	TopicNotPersistent = &Fault{
		Code:  "STB-BROKER-0507",
		Title: "not possible on a non-persistent topic",
		Cause: "A non-persistent topic stores nothing, so that it has no positions, backlog or stored messages.",
		Fix:   "Use a persistent:// topic.",
	}
	TopicEntry = &Fault{
		Code:  "STB-BROKER-0525",
		Title: "no such message",
		Cause: "The topic has no message at that place: it was never there, or it was consumed by everybody and its retention ended.",
		Fix:   "`strobe topics stats TOPIC` shows the positions that exist.",
	}
	PublishFailed = &Fault{
		Code:  "STB-BROKER-0508",
		Title: "message could not be stored",
		Cause: "The ledgers did not take the entry in time, or too much was waiting for them. It is not known to be durable.",
		Fix:   "Clients send it again by themselves. Look at the bookies: `strobe status`.",
	}
	PublishCovered = &Fault{
		Code:  "STB-BROKER-0509",
		Title: "batch is partly stored already",
		Cause: "With deduplication, a batch begins at a sequence id that is stored already and ends at one that is not: the producer formed its batches differently after a reconnect. Dropping it would lose messages, storing it would double some.",
		Fix:   "Send again only what is beyond the last sequence id that the broker answered when the producer was created.",
	}
	PublishMalformed = &Fault{
		Code:  "STB-BROKER-0510",
		Title: "message metadata cannot be read",
		Cause: "The entry does not begin with valid message metadata, and deduplication needs it.",
		Fix:   "Update the client; no released Pulsar client sends such entries.",
	}
	ProducerNameTaken = &Fault{
		Code:  "STB-BROKER-0511",
		Title: "producer name is taken",
		Cause: "Another producer of this name is connected to the topic. Names are what deduplication and exclusive access go by.",
		Fix:   "Give each producer its own name, or leave the name empty and the broker makes one.",
	}
	ProducerExclusive = &Fault{
		Code:  "STB-BROKER-0512",
		Title: "topic has an exclusive producer",
		Cause: "A producer holds, or waits for, exclusive access to the topic.",
		Fix:   "Wait for it to close, or connect with access mode WaitForExclusive or ExclusiveWithFencing.",
	}
	ProducerFenced = &Fault{
		Code:  "STB-BROKER-0513",
		Title: "producer was fenced out",
		Cause: "Another producer took exclusive access to the topic, or had it since this one was last connected.",
		Fix:   "Create a new producer when the other has gone; this one may not continue, or order would be lost.",
	}
	ProducerLimit = &Fault{
		Code:  "STB-BROKER-0514",
		Title: "topic has too many producers",
		Cause: "The limit of producers per topic (maxProducersPerTopic) is reached.",
		Fix:   "Close producers that are not needed, or raise the limit.",
	}
	ProducerClosed = &Fault{
		Code:  "STB-BROKER-0515",
		Title: "producer is closed",
		Cause: "The message was sent on a producer that was closed, replaced or disconnected.",
		Fix:   "Nothing: clients create the producer again and send the message again by themselves.",
	}
	ConsumerBusy = &Fault{
		Code:  "STB-BROKER-0516",
		Title: "subscription is taken",
		Cause: "An exclusive subscription has its consumer already, or the subscription is in use with another type.",
		Fix:   "Use another subscription name, the same type as the other consumers, or Failover to stand by.",
	}
	ConsumerLimit = &Fault{
		Code:  "STB-BROKER-0517",
		Title: "subscription has too many consumers",
		Cause: "The limit of consumers per subscription (maxConsumersPerSubscription) is reached.",
		Fix:   "Close consumers that are not needed, or raise the limit.",
	}
	ConsumerRanges = &Fault{
		Code:  "STB-BROKER-0518",
		Title: "hash ranges do not fit",
		Cause: "The sticky hash ranges of a key-shared consumer are empty, outside 0 to 65535, or overlap another consumer's.",
		Fix:   "Give each consumer ranges of its own.",
	}
	SubscriptionNotFound = &Fault{
		Code:  "STB-BROKER-0519",
		Title: "subscription does not exist",
		Cause: "There is no subscription of that name on the topic and none may be created here.",
		Fix:   "`strobe topics subscriptions list TOPIC` shows those that exist.",
	}
	SubscriptionInUse = &Fault{
		Code:  "STB-BROKER-0520",
		Title: "subscription has consumers",
		Cause: "Consumers are connected to the subscription, so it cannot be removed, skipped or reset without them noticing.",
		Fix:   "Close the consumers first, or use --force.",
	}
	SubscriptionGoing = &Fault{
		Code:  "STB-BROKER-0521",
		Title: "subscription is being closed or moved",
		Cause: "A seek, an unload or a removal is going on.",
		Fix:   "Nothing: clients reconnect by themselves.",
	}
	SubscriptionName = &Fault{
		Code:  "STB-BROKER-0522",
		Title: "not a subscription name",
		Cause: "The name is empty, too long, or one that the broker uses itself (pulsar.dedup, __compaction and the like).",
		Fix:   "Choose another name.",
	}
	AckCumulative = &Fault{
		Code:  "STB-BROKER-0523",
		Title: "cumulative acknowledgement on a shared subscription",
		Cause: "On Shared and Key_Shared subscriptions other consumers hold messages in between, so that \"everything up to here\" means nothing.",
		Fix:   "Acknowledge each message by itself.",
	}
	SubscriptionSeek = &Fault{
		Code:  "STB-BROKER-0524",
		Title: "subscription could not be moved",
		Cause: "The new position could not be found or stored; the subscription is where it was.",
		Fix:   "Retry. If it stays, `strobe status` shows which part of the storage is not ready.",
	}
)

var topicFaults = []*Fault{
	TopicName, TopicNotFound, TopicGoing, TopicFenced, TopicTerminated, TopicInUse, TopicLoad, TopicNotPersistent, TopicEntry,
	PublishFailed, PublishCovered, PublishMalformed,
	ProducerNameTaken, ProducerExclusive, ProducerFenced, ProducerLimit, ProducerClosed,
	ConsumerBusy, ConsumerLimit, ConsumerRanges,
	SubscriptionNotFound, SubscriptionInUse, SubscriptionGoing, SubscriptionName, AckCumulative, SubscriptionSeek,
}
