// Package abi is the contract between Strobe and a WASM guest: names of exports and imports, and the bytes of the frames that
// cross. It holds the host's side (requests encoded, replies decoded and checked); the guests' side is written in each SDK.
// docs/functions-abi.md describes every byte for people who write an SDK.
//
// All numbers are little-endian and unaligned.
package abi

// Names of what a guest exports.
const (
	ExportMemory     = "memory"
	ExportInitialize = "_initialize" // called once after instantiation, when there is one
	ExportABI        = "strobe_abi"
	ExportBuffer     = "strobe_buf"
	ExportProcess    = "strobe_process"
)

// HostModule is the name of the module that guests import Strobe's own functions from; the constants below are its functions.
const (
	HostModule = "strobe"
	HostLog    = "log"
	HostConfig = "config"
)

// ValueType is a WASM value type by its byte in the binary format.
type ValueType = byte

// The value types that cross.
const (
	I32 ValueType = 0x7f
	I64 ValueType = 0x7e
)

// Signature is the type of a function.
type Signature struct {
	Params  []ValueType
	Results []ValueType
}

// Exports are the functions that a guest must export, with their types.
var Exports = map[string]Signature{
	ExportABI:     {Results: []ValueType{I32}},
	ExportBuffer:  {Params: []ValueType{I32}, Results: []ValueType{I32}},
	ExportProcess: {Params: []ValueType{I32, I32}, Results: []ValueType{I64}},
}

// Host are the functions of HostModule.
var Host = map[string]Signature{
	// log(level, text, size)
	HostLog: {Params: []ValueType{I32, I32, I32}},
	// config(key, key size, value, room for the value) -> size of the value, or NoConfig. The value is written when there is room for all of it.
	HostConfig: {Params: []ValueType{I32, I32, I32, I32}, Results: []ValueType{I32}},
}
