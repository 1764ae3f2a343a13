package abi

// WASIModule is the name guests import WASI preview 1 from.
const WASIModule = "wasi_snapshot_preview1"

// WASIFunction is one function of WASI preview 1 that guests may import.
type WASIFunction struct {
	Name   string
	Params []ValueType // the result is an errno, but for proc_exit, which has none
	// Refused functions are there because language runtimes import them whether they are called or not: they answer Errno.
	Refused bool
	Errno   uint32
}

// Errnos of WASI preview 1 that Strobe answers.
const (
	ErrnoSuccess = 0
	ErrnoBadf    = 8
	ErrnoFault   = 21
	ErrnoInval   = 28
	ErrnoNosys   = 52
	ErrnoNotsup  = 58
)

// WASI lists every function of WASI preview 1 and what a guest gets from it: time, randomness, its own output as log lines, and nothing
// that reaches a file or a socket.
var WASI = []WASIFunction{
	{Name: "args_get", Params: []ValueType{I32, I32}},
	{Name: "args_sizes_get", Params: []ValueType{I32, I32}},
	{Name: "clock_res_get", Params: []ValueType{I32, I32}},
	{Name: "clock_time_get", Params: []ValueType{I32, I64, I32}},
	{Name: "environ_get", Params: []ValueType{I32, I32}},
	{Name: "environ_sizes_get", Params: []ValueType{I32, I32}},
	{Name: "fd_fdstat_get", Params: []ValueType{I32, I32}},
	{Name: "fd_write", Params: []ValueType{I32, I32, I32, I32}},
	{Name: "poll_oneoff", Params: []ValueType{I32, I32, I32, I32}},
	{Name: "proc_exit", Params: []ValueType{I32}},
	{Name: "random_get", Params: []ValueType{I32, I32}},
	{Name: "sched_yield"},

	{Name: "fd_advise", Params: []ValueType{I32, I64, I64, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_allocate", Params: []ValueType{I32, I64, I64}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_close", Params: []ValueType{I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_datasync", Params: []ValueType{I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_fdstat_set_flags", Params: []ValueType{I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_fdstat_set_rights", Params: []ValueType{I32, I64, I64}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_filestat_get", Params: []ValueType{I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_filestat_set_size", Params: []ValueType{I32, I64}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_filestat_set_times", Params: []ValueType{I32, I64, I64, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_pread", Params: []ValueType{I32, I32, I32, I64, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_prestat_dir_name", Params: []ValueType{I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_prestat_get", Params: []ValueType{I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_pwrite", Params: []ValueType{I32, I32, I32, I64, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_read", Params: []ValueType{I32, I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_readdir", Params: []ValueType{I32, I32, I32, I64, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_renumber", Params: []ValueType{I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_seek", Params: []ValueType{I32, I64, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_sync", Params: []ValueType{I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "fd_tell", Params: []ValueType{I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_create_directory", Params: []ValueType{I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_filestat_get", Params: []ValueType{I32, I32, I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_filestat_set_times", Params: []ValueType{I32, I32, I32, I32, I64, I64, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_link", Params: []ValueType{I32, I32, I32, I32, I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_open", Params: []ValueType{I32, I32, I32, I32, I32, I64, I64, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_readlink", Params: []ValueType{I32, I32, I32, I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_remove_directory", Params: []ValueType{I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_rename", Params: []ValueType{I32, I32, I32, I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_symlink", Params: []ValueType{I32, I32, I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "path_unlink_file", Params: []ValueType{I32, I32, I32}, Refused: true, Errno: ErrnoBadf},
	{Name: "proc_raise", Params: []ValueType{I32}, Refused: true, Errno: ErrnoNosys},
}

// SocketFunctions are the functions of WASI preview 1 that are not offered: a guest that imports one is refused at load, because it
// could not work.
var SocketFunctions = []string{"sock_accept", "sock_recv", "sock_send", "sock_shutdown"}
