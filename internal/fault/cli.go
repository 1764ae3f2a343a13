package fault

var (
	CLIUnreachable = &Fault{
		Code: "STB-CLI-0001", Title: "strobe cannot be reached",
		Cause: "Nothing answers at the address: strobe is not running there, or listens on another port.",
		Fix:   "Start it with `strobe standalone`, or name its addresses with --server and --broker (environment: STROBE_SERVER, STROBE_URL).",
	}
	CLIServer = &Fault{
		Code: "STB-CLI-0002", Title: "the server refused the request",
		Cause: "The server answered with an error that has no code of its own; its text says why.",
		Fix:   "Correct the request. If the text does not help, look at the server's log.",
	}
	CLIUsage = &Fault{
		Code: "STB-CLI-0003", Title: "wrong use of the command",
		Cause: "An argument or flag is missing, unknown or has the wrong form.",
		Fix:   "Add --help to the command: it shows its arguments, flags and examples.",
	}
	CLIFile = &Fault{
		Code: "STB-CLI-0004", Title: "file cannot be used",
		Cause: "A file named on the command line cannot be read or written.",
		Fix:   "Check its path and permissions.",
	}
	CLITimeout = &Fault{
		Code: "STB-CLI-0005", Title: "not done in time",
		Cause: "What was waited for did not happen within --timeout. It may still happen: nothing was undone.",
		Fix:   "Look at `strobe status`; wait longer with --timeout, or not at all with --no-wait.",
	}
	CLINotFound = &Fault{
		Code: "STB-CLI-0006", Title: "does not exist",
		Cause: "The thing named is not there.",
		Fix:   "List what there is: `strobe topics list`, `strobe functions list`, `strobe sources list`.",
	}
	CLIUnknownCode = &Fault{
		Code: "STB-CLI-0007", Title: "nothing to explain under that name",
		Cause: "It is neither an error code of this version nor a resource kind.",
		Fix:   "`strobe explain` without an argument lists all codes and kinds.",
	}
	CLINotRunning = &Fault{
		Code: "STB-CLI-0008", Title: "applied, but not running",
		Cause: "The resource was stored, but its instances failed.",
		Fix:   "The error of the instance says why: `strobe status`, and `strobe functions logs NAME` or `strobe sources logs NAME`.",
	}
	CLIShrink = &Fault{
		Code: "STB-CLI-0009", Title: "cannot be changed to that",
		Cause: "A topic's partitions can grow, never shrink; a topic without partitions cannot get some; a source keeps its connector.",
		Fix:   "Write the present value into the file, or delete the resource and make it again.",
	}
	CLIUnanswered = &Fault{
		Code: "STB-CLI-0010", Title: "stopped before the answer came",
		Cause: "The command was ended while the broker had not yet answered. What was asked may have happened, may still happen, or may not: nothing is promised without an answer. A publish waits when too few bookies take entries (STB-LEDGER-0001), while the topic moves to another broker, or while the metadata store is away.",
		Fix:   "`strobe bookies list` shows which bookies take entries; /readyz of the broker says what it lacks, and its log why. Then ask again: with deduplication and a producer's name nothing is stored twice.",
	}
)

// cliFaults is the CLI's part of the table.
var cliFaults = []*Fault{CLIUnreachable, CLIServer, CLIUsage, CLIFile, CLITimeout, CLINotFound, CLIUnknownCode, CLINotRunning, CLIShrink, CLIUnanswered}
