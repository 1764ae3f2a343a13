package strobe

import "errors"

// Reject makes an error that parks the message at once, with the reason: it will never succeed, however often it is tried.
func Reject(reason string) error { return &verdict{status: statusReject, reason: reason} }

// Retry makes an error that has the message tried again later. Any error that is not made by Reject does the same; Retry is for
// saying so where a reader might wonder.
func Retry(reason string) error { return &verdict{status: statusRetry, reason: reason} }

type verdict struct {
	status uint32
	reason string
}

func (v *verdict) Error() string { return v.reason }

// Rejected tells whether err, returned by a handler, parks the message at once. It is for tests.
func Rejected(err error) bool {
	status, _ := verdictOf(err)
	return status == statusReject
}

func verdictOf(err error) (status uint32, text string) {
	if err == nil {
		return statusOK, ""
	}
	var v *verdict
	if errors.As(err, &v) {
		return v.status, err.Error()
	}
	return statusRetry, err.Error()
}
