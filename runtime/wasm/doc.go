// Package wasm runs functions: it implements connectors.Processor on WASM guests, by the ABI of functions-sdk/abi.
//
// An Engine belongs to a process and keeps compiled modules; a Processor is one function instance in it. A Processor has one guest at a
// time. What the guest says is checked whole before anything of it is believed; a guest that crashes, misses its deadline, runs out of
// memory or answers nonsense is thrown away, and a new one takes its place at the next call.
package wasm
