//go:build race

package server

// raceDetector is on: reconnecting producers of the stock client race with themselves and are left out.
const raceDetector = true
