package fault

// The bookie's store.
var (
	SegmentDirectoryInUse = &Fault{
		Code:  "STB-SEGMENT-0001",
		Title: "the bookie's directory is used by another process",
		Cause: "One process at a time owns a bookie's log; another one holds the lock file in the directory.",
		Fix:   "Stop the process named here, or give this one a directory of its own with --data.",
	}
	SegmentUnknownFormat = &Fault{
		Code:  "STB-SEGMENT-0002",
		Title: "the bookie's log has a format this version does not know",
		Cause: "A segment was written by a newer version of strobe. Nothing was changed.",
		Fix:   "Start the version that wrote the directory, or a newer one.",
	}
	SegmentDeviceFailed = &Fault{
		Code:  "STB-SEGMENT-0003",
		Title: "writing or syncing the bookie's log failed",
		Cause: "The device refused a write or a sync. What was acknowledged is durable; what was not yet acknowledged is given up, and the bookie takes nothing more until it is started again, because a later success would prove nothing about the bytes that failed.",
		Fix:   "Look at the kernel's log (dmesg), repair or replace the device, then start the bookie again.",
	}
	SegmentDiskFull = &Fault{
		Code:  "STB-SEGMENT-0004",
		Title: "the disk of the bookie is full",
		Cause: "Less space is left than the reserve that fences, deletes and metadata need, so the bookie takes no more entries. Reading and deleting go on.",
		Fix:   "Free disk space, delete topics or shorten their retention. Writing resumes by itself within a second.",
	}
	SegmentDamaged = &Fault{
		Code:  "STB-SEGMENT-0005",
		Title: "bytes of the bookie's log are damaged",
		Cause: "A checksum of durable records does not match: the device or something else changed bytes. The range is set aside, its entries answer an input/output error, and the bookie takes no more entries; everything else is served.",
		Fix:   "Let the other replicas repair the entries, or delete the ledgers concerned; the bookie becomes writable when the segment is freed. To go on with the loss, stop it, remove the file quarantine in its directory and start it again.",
	}
	SegmentLost = &Fault{
		Code:  "STB-SEGMENT-0006",
		Title: "the bookie lost a part of its log",
		Cause: "The log ends before the point up to which it was known to be durable, or segments are missing. The absence of an entry here proves nothing now, so the ledgers concerned are in limbo: they are fenced, and absent entries answer an error.",
		Fix:   "Bring back the files of the directory if they exist. Otherwise let the other replicas be checked; to accept the loss, stop the bookie, remove the file limbo in its directory and start it again.",
	}
	SegmentForeignFile = &Fault{
		Code:  "STB-SEGMENT-0007",
		Title: "a segment belongs to another log",
		Cause: "Segments of two bookies lie in one directory: the log's identity in a file differs from that of the others.",
		Fix:   "Move the file that does not belong here out of the directory and start again.",
	}
	SegmentUnusable = &Fault{
		Code:  "STB-SEGMENT-0008",
		Title: "the bookie's directory cannot be opened",
		Cause: "The operating system refused a call on the directory or a file in it.",
		Fix:   "Check that the path exists, that its owner is the user who runs strobe, and that the device is healthy.",
	}
)

// segmentFaults is the segment room's part of the table.
var segmentFaults = []*Fault{
	SegmentDirectoryInUse, SegmentUnknownFormat, SegmentDeviceFailed, SegmentDiskFull,
	SegmentDamaged, SegmentLost, SegmentForeignFile, SegmentUnusable,
}
