//go:build !race

package main

// raceEnabled says that the race detector is built in.
const raceEnabled = false
