package fault

// Errors about which broker serves what.
var (
	BundleUnloading = &Fault{
		Code:  "STB-PLACEMENT-0001",
		Title: "bundle is being unloaded",
		Cause: "The topics of the bundle are being closed on the broker that serves them, and another one will serve them in a moment.",
		Fix:   "Nothing: clients ask again by themselves.",
	}
	BundleElsewhere = &Fault{
		Code:  "STB-PLACEMENT-0002",
		Title: "topic is served by another broker",
		Cause: "Another broker owns the bundle that the topic belongs to.",
		Fix:   "Nothing: clients look the topic up again and connect to that broker.",
	}
	BundleUnknown = &Fault{
		Code:  "STB-PLACEMENT-0003",
		Title: "no such bundle",
		Cause: "The namespace is not divided at these boundaries.",
		Fix:   "`pulsar-admin namespaces bundles NAMESPACE` shows its bundles.",
	}
	BrokerRegistered = &Fault{
		Code:  "STB-PLACEMENT-0004",
		Title: "another broker is registered under this address",
		Cause: "A broker with the same HTTP address is alive in this metadata store.",
		Fix:   "Stop the other one, or give this one another address to advertise (--advertise).",
	}
	ListenerUnknown = &Fault{
		Code:  "STB-PLACEMENT-0005",
		Title: "no such listener",
		Cause: "The client asked for an advertised listener that the broker does not have.",
		Fix:   "Name a listener of the broker's configuration in the client's listenerName, or none.",
	}
	PlacementLost = &Fault{
		Code:  "STB-PLACEMENT-0006",
		Title: "broker lost its session with the metadata store",
		Cause: "The metadata store did not hear from this broker for too long and gave its bundles free. It registers again by itself.",
		Fix:   "Nothing: clients ask again. If it repeats, look at the metadata store and at pauses of this machine.",
	}
)

// placementFaults is the placement room's part of the table.
var placementFaults = []*Fault{BundleUnloading, BundleElsewhere, BundleUnknown, BrokerRegistered, ListenerUnknown, PlacementLost}
