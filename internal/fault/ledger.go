package fault

// Errors of the ledger client.
var (
	LedgerNotEnough = &Fault{
		Code:  "STB-LEDGER-0001",
		Title: "not enough bookies",
		Cause: "A ledger needs as many bookies that take entries as its ack quorum says. Fewer are registered as writable, or those that a ledger lies on failed and none is left to replace them.",
		Fix:   "Look at the bookies' logs: a bookie that is read-only says why (often a full disk). Start or repair bookies, or lower the quorums (broker.managedLedgerDefaultEnsembleSize, …WriteQuorum, …AckQuorum).",
	}
	LedgerRecovery = &Fault{
		Code:  "STB-LEDGER-0002",
		Title: "ledger could not be recovered",
		Cause: "To take a ledger over, so many of its bookies must answer that no entry can have been acknowledged without one of them knowing. Too few did, or an entry could neither be read nor be proved missing. Nothing was lost or changed: the ledger stays in recovery.",
		Fix:   "Bring the bookies named in the detail back, then open the topic again.",
	}
	LedgerEntryLost = &Fault{
		Code:  "STB-LEDGER-0003",
		Title: "a confirmed entry is on no bookie",
		Cause: "Every bookie that should hold the entry says it does not. A volume lost data, or was replaced by an empty one.",
		Fix:   "If a bookie of the ensemble is down, bring it back with its volume. If the data is gone, skip the entry by moving the subscription behind it.",
	}
	LedgerMetadata = &Fault{
		Code:  "STB-LEDGER-0004",
		Title: "ledger metadata cannot be read",
		Cause: "The value in the metadata store is damaged, or was written by a newer version.",
		Fix:   "Use a version that knows the format, or restore the metadata from a backup.",
	}
	LedgerFenced = &Fault{
		Code:  "STB-LEDGER-0005",
		Title: "a fenced ledger was not closed",
		Cause: "Another process took the ledger over and did not finish. What this one had written and not yet been told to be durable is undecided until somebody recovers the ledger.",
		Fix:   "Look at the log of whoever owns the topic now. Opening the topic again recovers the ledger.",
	}
	LedgerNotFound = &Fault{
		Code:  "STB-LEDGER-0006",
		Title: "ledger does not exist",
		Cause: "The metadata store knows no ledger of that id. It may have been deleted: ledgers go when all subscriptions have read them and the retention is over.",
		Fix:   "`strobe ledgers list` shows those that exist, `strobe topics where TOPIC` those of a topic.",
	}
	LedgerFormat = &Fault{
		Code:  "STB-LEDGER-0007",
		Title: "ledger metadata of a newer format",
		Cause: "A newer version of Strobe or BookKeeper wrote this ledger's metadata in a form that this version does not know. Nothing was changed: what it cannot read it does not write.",
		Fix:   "Run the version that wrote it, or a newer one, on every broker. Topics whose ledgers have older formats are served all the same.",
	}
	LedgerBookieHung = &Fault{
		Code:  "STB-LEDGER-0008",
		Title: "a bookie does not answer",
		Cause: "The bookie took requests and sent nothing for the time-out: its process stands still, its disk does not come back from a write, or the network drops what is sent. The connection was given up, and what it owed counts as failed there.",
		Fix:   "Look at the bookie that the log names: `strobe bookies list`, its /healthz, its log, the kernel's log about its disk.",
	}
	LedgerBookieAnswer = &Fault{
		Code:  "STB-LEDGER-0009",
		Title: "what a bookie sent is no answer",
		Cause: "A frame was too long, too short, of an unknown operation, or answered something that was not asked. The connection was given up and nothing in it was believed; what it owed counts as failed there. Something else than a bookie listens at the address, the bookie speaks another version of the protocol, or its broker.maxMessageSize is larger than here.",
		Fix:   "Check what listens at the address in the log, its version, and that broker.maxMessageSize is the same for all processes.",
	}
	LedgerKey = &Fault{
		Code:  "STB-LEDGER-0010",
		Title: "a bookie refuses the ledger's master key",
		Cause: "The first who wrote to the ledger on that bookie had another key. Either the ledger was made with another password than its metadata says, or the bookie belongs to another cluster, in which a ledger has the same number.",
		Fix:   "Check that all bookies and brokers share one metadata store (`strobe bookies list` there shows these bookies and no others). Apache brokers and Strobe must use the same managedLedgerPassword.",
	}
)

// ledgerFaults is the ledger room's part of the table.
var ledgerFaults = []*Fault{LedgerNotEnough, LedgerRecovery, LedgerEntryLost, LedgerMetadata, LedgerFenced, LedgerNotFound,
	LedgerFormat, LedgerBookieHung, LedgerBookieAnswer, LedgerKey}
