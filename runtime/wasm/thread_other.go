//go:build !linux

package wasm

// yieldProcessor does nothing here: priorities are the process's.
func yieldProcessor() {}
