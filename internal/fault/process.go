package fault

var (
	ProcessHost = &Fault{
		Code: "STB-PROCESS-0001", Title: "the host process for functions and connectors cannot run",
		Cause: "Functions and connectors run in a child process of their own, and it did not start or did not answer.",
		Fix:   "Look at the log lines before this one. The program must be able to start itself again: check that its file still exists and that process limits allow it.",
	}
	ProcessDirInUse = &Fault{
		Code: "STB-PROCESS-0002", Title: "data directory is in use",
		Cause: "Another process has locked the data directory. Two would destroy each other's data.",
		Fix:   "Stop the process that is named, or give this one another --data.",
	}
	ProcessPortInUse = &Fault{
		Code: "STB-PROCESS-0003", Title: "address is in use",
		Cause: "Another process listens on the address.",
		Fix:   "Stop that process, or choose another address with --listen or --http; port 0 takes any free one.",
	}
	ProcessListen = &Fault{
		Code: "STB-PROCESS-0004", Title: "cannot listen on the address",
		Cause: "The address is not one of this machine, is not of the form host:port, or needs more rights.",
		Fix:   "Give host:port with an address of this machine; ports below 1024 need rights of root.",
	}
	ProcessDataDir = &Fault{
		Code: "STB-PROCESS-0005", Title: "data directory cannot be used",
		Cause: "The directory cannot be created, read or written.",
		Fix:   "Check its path and permissions, or give another --data.",
	}
	ProcessControl = &Fault{
		Code: "STB-PROCESS-0006", Title: "too much for the control socket",
		Cause: "The host process of functions and connectors and its parent exchange configuration, positions and status in frames of at most 16 MiB. This one would be larger and was not sent.",
		Fix:   "The detail names the call. A configuration as large as that belongs into a file or a topic that the function reads.",
	}
)

// processFaults is the process room's part of the table.
var processFaults = []*Fault{ProcessHost, ProcessDirInUse, ProcessPortInUse, ProcessListen, ProcessDataDir, ProcessControl}
