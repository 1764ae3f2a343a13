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

// managedFaults is the managed room's part of the table.
var managedFaults = []*Fault{ManagedNode}
