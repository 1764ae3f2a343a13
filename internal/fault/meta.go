package fault

// The metadata store's errors.
var (
	MetaKey = &Fault{
		Code:  "STB-META-0001",
		Title: "metadata key not allowed",
		Cause: "A metadata key starts with a slash, has no empty, \".\" or \"..\" segment and no control character, and is at most 4096 bytes long. Keys are made from names, so that a very long tenant, topic or subscription name ends here.",
		Fix:   "Choose a shorter or simpler name.",
	}
	MetaValue = &Fault{
		Code:  "STB-META-0002",
		Title: "metadata value too large",
		Cause: "One metadata value holds at most 1 MiB, so that every metadata store can keep it. Large things belong into a ledger.",
		Fix:   "Make the value smaller: fewer bundles, fewer properties, fewer permissions in one namespace or topic.",
	}
	MetaInUse = &Fault{
		Code:  "STB-META-0003",
		Title: "metadata directory in use",
		Cause: "Another process has this metadata directory open. Two processes on one directory would destroy it.",
		Fix:   "Stop the other process, or give this one another data directory.",
	}
	MetaFormat = &Fault{
		Code:  "STB-META-0004",
		Title: "unknown metadata format",
		Cause: "The metadata directory was written by a newer version of Strobe, or it holds something else.",
		Fix:   "Run the version that wrote it, or newer, or use another data directory.",
	}
	MetaFailed = &Fault{
		Code:  "STB-META-0005",
		Title: "metadata store failed",
		Cause: "The device refused a write or a sync of the metadata directory. What was answered before is safe; nothing more is accepted until a restart, because after a failed sync nobody knows what the device holds.",
		Fix:   "Look at the kernel's log, make the device healthy or free space on it, then start again.",
	}
	MetaDamaged = &Fault{
		Code:  "STB-META-0006",
		Title: "metadata directory cannot be opened",
		Cause: "The files of the metadata directory are damaged, or some are missing or not readable.",
		Fix:   "Check the directory's permissions and the device. Restore the directory from a backup if files are damaged.",
	}
)

// metaFaults is the meta room's part of the table.
var metaFaults = []*Fault{MetaKey, MetaValue, MetaInUse, MetaFormat, MetaFailed, MetaDamaged}
