package fault

// A module that is refused when it is uploaded or loaded.
var (
	FunctionNotWasm = &Fault{
		Code:  "STB-FUNCTION-0001",
		Title: "not a WASM file",
		Cause: "The file does not begin with the four bytes of a WASM module (\\0asm).",
		Fix:   "Build the function with `strobe functions build` and deploy the .wasm file that it writes.",
	}
	FunctionComponent = &Fault{
		Code:  "STB-FUNCTION-0002",
		Title: "a WASM component, not a module",
		Cause: "The file is in the component format (wasip2, component model). Strobe runs core modules with the entry points of docs/functions-abi.md.",
		Fix:   "Build a core module: Go `strobe functions build`, Rust `cargo build --target wasm32-wasip1`, TinyGo `tinygo build -target=wasip1 -buildmode=c-shared`. From a finished component, `wasm-tools component unbundle --threshold 0 --module-dir OUT FILE.wasm` writes the core modules it holds; deploy the one that exports strobe_process.",
	}
	FunctionImports = &Fault{
		Code:  "STB-FUNCTION-0003",
		Title: "the module imports what Strobe does not offer",
		Cause: "A function may import `strobe` (log, config) and the listed part of `wasi_snapshot_preview1`: time, randomness, its output. It has no sockets, no threads and no functions of other hosts.",
		Fix:   "Remove what needs the imports that are named; docs/functions-abi.md lists all that are offered.",
	}
	FunctionEntryPoints = &Fault{
		Code:  "STB-FUNCTION-0004",
		Title: "the module lacks entry points of a function",
		Cause: "A function exports memory, strobe_abi, strobe_buf and strobe_process with the types of docs/functions-abi.md. The SDKs export them. A program built as a command (with _start) and not as a library cannot be called.",
		Fix:   "Use an SDK and build with `strobe functions build`; by hand, `GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared`.",
	}
	FunctionABI = &Fault{
		Code:  "STB-FUNCTION-0005",
		Title: "the module speaks another version of the function ABI",
		Cause: "strobe_abi answers the version the module was built for, and this Strobe does not know it.",
		Fix:   "Build the function again with the SDK that comes with this version: `strobe functions build`.",
	}
	FunctionNoHandler = &Fault{
		Code:  "STB-FUNCTION-0006",
		Title: "the module registers no handler",
		Cause: "strobe_abi answered 0: no handler was registered while the module was initialised. main does not run in a function.",
		Fix:   "Call strobe.Handle from an init function: `func init() { strobe.Handle(handle) }`.",
	}
	FunctionMemoryMinimum = &Fault{
		Code:  "STB-FUNCTION-0007",
		Title: "the module needs more memory than the function may have",
		Cause: "The memory that the module asks for at its start is above the function's memory cap.",
		Fix:   "Raise the function's memory, or make its static data smaller.",
	}
	FunctionDamaged = &Fault{
		Code:  "STB-FUNCTION-0008",
		Title: "the module cannot be compiled",
		Cause: "The file is damaged or cut off, or uses WASM features that Strobe does not run (threads, multiple memories, garbage-collected types).",
		Fix:   "Build it again and compare its size with what was uploaded; build for wasm32-wasip1.",
	}
	FunctionTooLarge = &Fault{
		Code:  "STB-FUNCTION-0040",
		Title: "the module is too large",
		Cause: "The file, one of its functions, its tables or its lists are larger than Strobe compiles: that would take memory and time from everything else on the machine.",
		Fix:   "Leave out what the function does not use; data belongs into a topic or the configuration. `-ldflags=-s -w` makes a Go module smaller.",
	}
	FunctionCompileTime = &Fault{
		Code:  "STB-FUNCTION-0041",
		Title: "the module takes too long to compile",
		Cause: "Compiling was given up. It runs at a low priority, so that a busy machine makes it longer.",
		Fix:   "Make the module smaller, or try again when the machine is less busy.",
	}
	FunctionStart = &Fault{
		Code:  "STB-FUNCTION-0009",
		Title: "the module fails while it is initialised",
		Cause: "Its start function or _initialize (package variables, init functions) crashed, took too long or ran out of memory.",
		Fix:   "Look at what the module does before the first message; the detail has what it said.",
	}
)

// What a guest did wrong with a message. The message is tried again and parked in the end.
var (
	FunctionCrashed = &Fault{
		Code:  "STB-FUNCTION-0010",
		Title: "the function crashed",
		Cause: "The handler panicked, trapped or ended the program. The instance was started anew; only the message that makes it crash counts an attempt.",
		Fix:   "`strobe functions logs NAME` has the trace; the parked message can be looked at with `strobe functions parked show`, and sent again after a fix with `parked redrive`.",
	}
	FunctionDeadline = &Fault{
		Code:  "STB-FUNCTION-0011",
		Title: "the function took too long",
		Cause: "A call did not end before the function's deadline, and was stopped.",
		Fix:   "Find the loop, or raise the function's deadline.",
	}
	FunctionMemory = &Fault{
		Code:  "STB-FUNCTION-0012",
		Title: "the function ran out of memory",
		Cause: "The guest asked for more memory than its cap and did not go on without it.",
		Fix:   "Keep less between messages, or raise the function's memory.",
	}
	FunctionRecursion = &Fault{
		Code:  "STB-FUNCTION-0016",
		Title: "the function's calls are nested too deeply",
		Cause: "A function that calls itself without end, or much too often, was stopped.",
		Fix:   "Find the recursion that does not end; `strobe functions parked show` has the message that leads into it.",
	}
	FunctionReply = &Fault{
		Code:  "STB-FUNCTION-0013",
		Title: "the function answered nonsense",
		Cause: "The reply of strobe_process is not a frame as docs/functions-abi.md describes it. Nothing of it was published.",
		Fix:   "Use an SDK; if you write one, compare its frames with the golden bytes in functions-sdk/abi/testdata.",
	}
	FunctionNoOutput = &Fault{
		Code:  "STB-FUNCTION-0014",
		Title: "the function emits but has no output topic",
		Cause: "The handler emitted to the function's output, and the function was created without one.",
		Fix:   "Set --output, or let the handler name a topic (EmitTo).",
	}
	FunctionTopicName = &Fault{
		Code:  "STB-FUNCTION-0015",
		Title: "the function emits to something that is no topic name",
		Cause: "A topic is a full name (persistent://tenant/namespace/name) or a bare name without slashes, which belongs to the function's namespace.",
		Fix:   "Correct the name that the handler passes to EmitTo.",
	}
)

// What the loop around a function or connector stops or parks for.
var (
	FunctionNoIndex = &Fault{
		Code:  "STB-FUNCTION-0020",
		Title: "effectively-once needs numbered input",
		Cause: "Outputs are numbered by the broker's index of their input, so that deduplication can drop what is already there. The entries of this topic carry no index: its broker does not write broker entry metadata, or did not when they were published.",
		Fix:   "Turn on broker entry metadata with the index (AppendIndexMetadataInterceptor) on the brokers, or deploy with at-least-once.",
	}
	FunctionTooManyOutputs = &Fault{
		Code:  "STB-FUNCTION-0021",
		Title: "too many outputs of one message for effectively-once",
		Cause: "An output's sequence is its input's index and twelve bits for its place among the outputs of that input.",
		Fix:   "Emit fewer, larger messages for one input, or deploy with at-least-once.",
	}
	FunctionDeadLetter = &Fault{
		Code:  "STB-FUNCTION-0022",
		Title: "a dead letter was refused",
		Cause: "A message had to be parked, and its dead-letter topic does not take it, so that it has nowhere to go. Nothing was acknowledged.",
		Fix:   "Look at the detail: a message that is too large needs a higher broker.maxMessageSize, a topic name that is none another deadLetter.",
	}
)

// Writing and building functions.
var (
	FunctionNoGo = &Fault{
		Code:  "STB-FUNCTION-0030",
		Title: "the go tool was not found",
		Cause: "Functions in Go are built with the go tool, and there is none on the PATH, or it does not run.",
		Fix:   "Install Go 1.24 or newer (https://go.dev/dl) and put its bin directory on the PATH.",
	}
	FunctionOldGo = &Fault{
		Code:  "STB-FUNCTION-0031",
		Title: "the go tool is too old for functions",
		Cause: "WASM modules with entry points can be built since Go 1.24.",
		Fix:   "Install Go 1.24 or newer (https://go.dev/dl), or put a newer one before it on the PATH.",
	}
	FunctionBuild = &Fault{
		Code:  "STB-FUNCTION-0032",
		Title: "the function does not build",
		Cause: "The go tool stopped with an error.",
		Fix:   "Correct what the compiler names.",
	}
	FunctionNoProject = &Fault{
		Code:  "STB-FUNCTION-0033",
		Title: "there is no function here",
		Cause: "A function in Go is a directory with a go.mod and a package main.",
		Fix:   "Make one with `strobe functions new NAME`, or name its directory: `strobe functions build DIR`.",
	}
	FunctionProjectExists = &Fault{
		Code:  "STB-FUNCTION-0034",
		Title: "the directory is not empty",
		Cause: "A new project does not overwrite files.",
		Fix:   "Choose another name, or empty the directory.",
	}
	FunctionProjectName = &Fault{
		Code:  "STB-FUNCTION-0035",
		Title: "not a name for a function",
		Cause: "A function's name has letters, digits, dots, underscores and dashes, and begins with a letter or digit: it is part of topic and file names.",
		Fix:   "Choose such a name.",
	}
)

// functionFaults is the function room's part of the table.
var functionFaults = []*Fault{
	FunctionNotWasm, FunctionComponent, FunctionImports, FunctionEntryPoints, FunctionABI, FunctionNoHandler, FunctionMemoryMinimum,
	FunctionDamaged, FunctionStart, FunctionTooLarge, FunctionCompileTime,
	FunctionCrashed, FunctionDeadline, FunctionMemory, FunctionRecursion, FunctionReply, FunctionNoOutput, FunctionTopicName,
	FunctionNoIndex, FunctionTooManyOutputs, FunctionDeadLetter,
	FunctionNoGo, FunctionOldGo, FunctionBuild, FunctionNoProject, FunctionProjectExists, FunctionProjectName,
}
