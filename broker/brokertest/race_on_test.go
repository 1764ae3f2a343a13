//go:build race

package brokertest

// raceDetector is on: reconnecting producers of the stock client race with themselves and are left out.
const raceDetector = true
