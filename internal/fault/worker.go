package fault

var (
	WorkerExists = &Fault{
		Code: "STB-WORKER-0001", Title: "already exists",
		Cause: "A function or source of that name is deployed in the namespace.",
		Fix:   "Use update to change it, or delete it first, or choose another name.",
	}
	WorkerNotFound = &Fault{
		Code: "STB-WORKER-0002", Title: "no such function or source",
		Cause: "Nothing of that name is deployed in the namespace.",
		Fix:   "Look at `strobe functions list` or `strobe sources list`; --tenant and --namespace choose where to look.",
	}
	WorkerBadConfig = &Fault{
		Code: "STB-WORKER-0003", Title: "configuration of a function or source is not valid",
		Cause: "A required part is missing, a value has the wrong form, or an option of Pulsar is asked for that Strobe does not have.",
		Fix:   "Correct what is named. `strobe explain Function` and `strobe explain Source` list what there is.",
	}
	WorkerNoModule = &Fault{
		Code: "STB-WORKER-0004", Title: "function has no WASM module",
		Cause: "A function is made from a WASM file that is uploaded with it, and the request holds none.",
		Fix:   "Give --wasm FILE. `strobe functions new` and `strobe functions build` make one.",
	}
	WorkerTooLarge = &Fault{
		Code: "STB-WORKER-0005", Title: "upload is too large",
		Cause: "The uploaded file exceeds http.maxUploadMB.",
		Fix:   "Make the module smaller (-ldflags=-s -w helps a Go guest), or raise http.maxUploadMB.",
	}
	WorkerPreflight = &Fault{
		Code: "STB-WORKER-0006", Title: "source would not run",
		Cause: "The connector tried everything it will need, and something is missing. Nothing was deployed.",
		Fix:   "Fix the problems that are listed. `strobe connectors check FILE` tries again; apply --no-check deploys without trying.",
	}
	WorkerSecretDenied = &Fault{
		Code: "STB-WORKER-0007", Title: "secret is not on the allow-list",
		Cause: "Secret references are resolved only against environment variables and directories that the operator allowed; by default none.",
		Fix:   "Start strobe with --set worker.secretEnvironment=NAME or --set worker.secretDirectories=/path.",
	}
	WorkerSecretMissing = &Fault{
		Code: "STB-WORKER-0008", Title: "secret cannot be read",
		Cause: "The reference is allowed, but the environment variable is not set or the file cannot be read in the process of strobe.",
		Fix:   "Set the variable in the environment strobe is started with, or check the file's path and permissions.",
	}
	WorkerLoop = &Fault{
		Code: "STB-WORKER-0009", Title: "function reads its own output",
		Cause: "The output topic is also an input: every message would make another one for ever.",
		Fix:   "Give the function an output topic that it does not read.",
	}
	WorkerBusy = &Fault{
		Code: "STB-WORKER-0010", Title: "changed by somebody else at the same time",
		Cause: "Two changes of one function or source crossed; this one was not made.",
		Fix:   "Look at the present state and try again.",
	}
	WorkerConnector = &Fault{
		Code: "STB-WORKER-0011", Title: "no such connector",
		Cause: "The source names a connector that this program does not hold.",
		Fix:   "Look at `strobe connectors list`.",
	}
	WorkerNoParked = &Fault{
		Code: "STB-WORKER-0012", Title: "no such parked message",
		Cause: "The dead-letter topic holds no message under that id; it may have been redriven or have expired.",
		Fix:   "Look at `strobe functions parked list NAME`.",
	}
	WorkerDeleting = &Fault{
		Code: "STB-WORKER-0013", Title: "is still being deleted",
		Cause: "A function or source of that name was deleted, and what belonged to it is not gone yet: an instance has not stopped, or a topic or the storage does not answer. The deletion goes on by itself, also after a restart; this request was given up waiting for it.",
		Fix:   "Try again in a moment. If it stays, the log of strobe says which step is tried again.",
	}
	WorkerFormat = &Fault{
		Code: "STB-WORKER-0015", Title: "stored record of a newer format",
		Cause: "A newer version of Strobe wrote the record of this function, source or module in a form that this version does not know. What runs of it is left running, nothing is started or stopped, and the record is not written over.",
		Fix:   "Run the version that wrote it, or a newer one, on every broker.",
	}
	WorkerRecord = &Fault{
		Code: "STB-WORKER-0014", Title: "stored record of a function or source cannot be read",
		Cause: "The metadata holds a document under its key that is no record of it: it was damaged or written by something else. What runs of it is left running, and nothing is started or stopped.",
		Fix:   "docs/format/functions.md describes the record. Put back what was there, or remove the key and create the function or source again.",
	}
)

// workerFaults is the worker room's part of the table.
var workerFaults = []*Fault{
	WorkerExists, WorkerNotFound, WorkerBadConfig, WorkerNoModule, WorkerTooLarge, WorkerPreflight, WorkerSecretDenied, WorkerSecretMissing,
	WorkerLoop, WorkerBusy, WorkerConnector, WorkerNoParked, WorkerDeleting, WorkerRecord, WorkerFormat,
}
