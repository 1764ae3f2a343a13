//go:build race

package ledger

// The race detector makes sync.Pool forget on purpose.
const raceDetector = true
