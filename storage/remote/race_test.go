//go:build race

package remote

// The race detector makes sync.Pool forget on purpose.
const raceDetector = true
