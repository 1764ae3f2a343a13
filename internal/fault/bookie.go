package fault

// Errors of bookies.
var (
	BookieNoCluster = &Fault{
		Code:  "STB-BOOKIE-0001",
		Title: "no cluster in the metadata store",
		Cause: "The metadata store has no instance id. Either the cluster was never founded, or the bookie was pointed at the wrong store. It stops, because in an empty store none of its ledgers exist and it would have to delete them.",
		Fix:   "Check the metadata address. A new cluster is founded by `strobe cluster init --metadata URL`, or by Pulsar's initialize-cluster-metadata.",
	}
	BookieForeign = &Fault{
		Code:  "STB-BOOKIE-0002",
		Title: "the volume belongs to another cluster",
		Cause: "The bookie's volume was stamped with the instance id of one cluster, the metadata store has that of another. This happens when the metadata was deleted, or when a data directory is used with another cluster's metadata.",
		Fix:   "Use the metadata that belongs to the volume (restore it, or correct its address). To give up the data on the volume, use an empty directory.",
	}
	BookieCookie = &Fault{
		Code:  "STB-BOOKIE-0003",
		Title: "volume and metadata do not know each other",
		Cause: "A bookie's volume and the metadata store carry the same cookie. One of them is missing or says something else: the volume was replaced or copied, or the metadata is older than the volume.",
		Fix:   "Bring back the volume or the metadata that belong together. A bookie that lost its volume starts anew in an empty directory.",
	}
	BookieVolume = &Fault{
		Code:  "STB-BOOKIE-0004",
		Title: "the bookie's volume cannot be used",
		Cause: "The directory cannot be made or read, or its VERSION file is damaged.",
		Fix:   "Check the path, its permissions and the device. A damaged VERSION file can be restored from the metadata's copy (/ledgers/cookies/<bookie id>).",
	}
	BookieRegistered = &Fault{
		Code:  "STB-BOOKIE-0005",
		Title: "the bookie is registered already",
		Cause: "Another process runs with the same bookie id: with this volume or a copy of it. Two would answer for each other's entries.",
		Fix:   "Stop the other process; its address is in the detail. Never run a copy of a volume: it lacks what the other one has taken since.",
	}
	BookieRegistration = &Fault{
		Code:  "STB-BOOKIE-0006",
		Title: "the bookie could not register",
		Cause: "The metadata store did not take the registration by which clients find the bookie.",
		Fix:   "Look at the detail and at the metadata store.",
	}
	BookieWrongRoot = &Fault{
		Code:  "STB-BOOKIE-0007",
		Title: "the metadata is not that of this bookie's cluster",
		Cause: "While the bookie was running, the instance id or the bookie's cookie changed or vanished from the metadata store. Ledgers are not deleted as long as this is so.",
		Fix:   "Restore the metadata. If the bookie is to leave the cluster, stop it.",
	}
	BookieFrame = &Fault{
		Code:  "STB-BOOKIE-0008",
		Title: "a client sent what is no request",
		Cause: "A frame's length is out of range, it is shorter than its operation needs, or the operation is unknown. The connection was closed; what was asked before was answered. Entries above the largest frame do this too.",
		Fix:   "If the sender is a broker, compare its largest message with the bookie's largest frame. Anything else that connects to a bookie's port (a health check, a port scan) is harmless.",
	}
	BookieVersion3 = &Fault{
		Code:  "STB-BOOKIE-0009",
		Title: "a client speaks version 3 of BookKeeper's protocol",
		Cause: "Bookies of this version of Strobe speak version 2. Apache's tools and AutoRecovery speak version 3 if nothing else is said; Pulsar brokers speak version 2.",
		Fix:   "Set useV2WireProtocol=true (in a broker: bookkeeperUseV2WireProtocol=true) where the client allows it.",
	}
	BookieClientStuck = &Fault{
		Code:  "STB-BOOKIE-0010",
		Title: "a client does not take its answers",
		Cause: "More bytes of answers wait for a connection than a client in order lets pile up, or none was taken for the write time-out. The connection was closed: the process stands still, or the network drops what is sent.",
		Fix:   "Look at the process at the address in the log. A broker connects again by itself.",
	}
	BookieConnections = &Fault{
		Code:  "STB-BOOKIE-0011",
		Title: "too many connections to a bookie",
		Cause: "The bookie has as many connections as it takes, and closed the newest.",
		Fix:   "Find out who opens so many: a broker needs three.",
	}
	BookieNotFound = &Fault{
		Code:  "STB-BOOKIE-0012",
		Title: "bookie does not exist",
		Cause: "No bookie of that id is registered, and none has a cookie in the metadata store.",
		Fix:   "`strobe bookies list` shows those that the cluster knows.",
	}
	BookieRacks = &Fault{
		Code:  "STB-BOOKIE-0013",
		Title: "the racks of bookies cannot be read",
		Cause: "The value in the metadata store that says in which racks bookies stand is not the JSON that Pulsar writes there.",
		Fix:   "Look at the key in the detail, and correct it with the tool that wrote it.",
	}
	BookieFormat = &Fault{
		Code:  "STB-BOOKIE-0014",
		Title: "the bookie's cookie is of a newer format",
		Cause: "A newer version of Strobe wrote the cookie, on the volume or in the metadata store, in a form that this version does not know. Nothing was changed.",
		Fix:   "Run the version that wrote it, or a newer one. Do not write over the VERSION file.",
	}
	BookieReplaced = &Fault{
		Code:  "STB-BOOKIE-0015",
		Title: "this new bookie stands where another one was lost",
		Cause: "The volume was empty, so a bookie with a new id was born on it. Another bookie was last registered at the same address: its volume was emptied or replaced, or will be started elsewhere. What lay on it does not come back by itself: those ledgers have a copy less.",
		Fix:   "If its volume still exists, stop this bookie and start one with that directory: the old one is back, with its data. If it is lost, `strobe ledgers list --bookie ID` shows what it held, and `strobe bookies forget ID` takes it out of the metadata.",
	}
	BookieAlive = &Fault{
		Code:  "STB-BOOKIE-0016",
		Title: "the bookie is registered",
		Cause: "A bookie that runs cannot be forgotten: it would serve entries that the cluster knows nothing of.",
		Fix:   "Stop it first; its registration goes some seconds after it.",
	}
	BookieNamed = &Fault{
		Code:  "STB-BOOKIE-0017",
		Title: "ledgers lie on the bookie",
		Cause: "The metadata of ledgers names the bookie. While it is only away, it can come back with its volume, and what it holds is needed most when other copies are lost too. A bookie that was forgotten is refused.",
		Fix:   "Wait until those ledgers were consumed and deleted (`strobe ledgers list --bookie ID`). If the volume is lost for good: --force. The ledgers are then marked as under-replicated, and read from their other copies.",
	}
	BookieOther = &Fault{
		Code:  "STB-BOOKIE-0018",
		Title: "a client looks for another bookie",
		Cause: "The client expects another bookie at this address: that one was here before, and its volume was emptied, replaced or moved. The connection was closed, because this bookie must neither say that the other one's entries do not exist nor take new ones in its name.",
		Fix:   "Nothing, if the volume moved: brokers find it where it is registered. If it is lost, see STB-BOOKIE-0015.",
	}
)

// bookieFaults is the bookie room's part of the table.
var bookieFaults = []*Fault{BookieNoCluster, BookieForeign, BookieCookie, BookieVolume, BookieRegistered, BookieRegistration, BookieWrongRoot,
	BookieFrame, BookieVersion3, BookieClientStuck, BookieConnections, BookieNotFound, BookieRacks,
	BookieFormat, BookieReplaced, BookieAlive, BookieNamed, BookieOther}
