// Package fuel rewrites a WASM module so that it cannot run for long without asking the host.
//
// Machine code made from WASM has no points where the Go scheduler could stop it: a guest that computes for 50 ms holds up every garbage
// collection of its process for as long, and one that loops for ever can only be ended from within. The runtime's own remedy
// (close-on-context-done) leaves the machine code at every loop iteration, which makes tight loops many times slower. Here each loop and
// each function counts down a number in the module itself, and only where that falls below zero is the host called: it looks at the
// clock, and gives the scheduler its chance by being Go.
//
// A module is changed in five places: a type and an import for the host's function, which moves the indices of all other functions up by
// one; two globals; and a sequence of instructions at the beginning of each function and loop, and before each instruction whose
// time depends on an operand. Custom sections (names, debugging information) are dropped. Formats: WebAssembly Core Specification 2.0, §5.
package fuel
