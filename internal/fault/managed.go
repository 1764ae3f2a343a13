package fault

// ManagedNode: a managed ledger's or cursor's node does not parse.
var ManagedNode = &Fault{
	Code:  "STB-MANAGED-0001",
	Title: "a managed ledger's metadata cannot be read",
	Cause: "The value under this metadata key is not a managed ledger's or a cursor's. Another program wrote it, or the metadata store " +
		"returned damaged bytes. The topic is not opened, so that nothing is written over it.",
	Fix: "Look at the key with the metadata store's own tools. Restore the value from a backup, or delete the key if the topic (or the " +
		"subscription, when the key names one) may be lost.",
}

// ManagedSplitPosition: a cursor position in a form this version does not read.
var ManagedSplitPosition = &Fault{
	Code:  "STB-MANAGED-0002",
	Title: "a subscription's position is stored in a form that is not supported",
	Cause: "A newer Apache Pulsar stored the position split over several entries (persistentUnackedRangesWithMultipleEntriesEnabled). " +
		"Reading it as damage would deliver everything again, so the topic is not opened.",
	Fix: "Set persistentUnackedRangesWithMultipleEntriesEnabled=false on the Apache brokers, unload the topic there, which writes the " +
		"position in the common form, and open it here again. Or delete the subscription if its position may be lost.",
}

// ManagedFormat: a node in a form of a later version.
var ManagedFormat = &Fault{
	Code:  "STB-MANAGED-0003",
	Title: "a managed ledger's metadata is of a newer format",
	Cause: "A newer version of Strobe or Pulsar wrote the value under this metadata key in a form that this version does not know. The topic is " +
		"not opened, and nothing is written over it. Other topics are served.",
	Fix: "Run the version that wrote it, or a newer one, on every broker. On Apache brokers managedLedgerInfoCompressionType and " +
		"managedCursorInfoCompressionType choose the compression: NONE, LZ4, ZLIB, ZSTD and SNAPPY are read here.",
}

// managedFaults is the managed room's part of the table.
var managedFaults = []*Fault{ManagedNode, ManagedSplitPosition, ManagedFormat}
