package connectors

import (
	"errors"

	"github.com/strobemq/strobe/internal/fault"
)

// Finding is one thing that keeps a connector from working, or will: found while its settings are read, while it is checked, or
// while it connects.
type Finding struct {
	Class Class
	Path  string // the configuration key it is about, when there is one
	Err   *fault.Error
}

// Problem is the finding as `check` prints it.
func (f Finding) Problem() Problem {
	return Problem{Code: f.Err.Code, Cause: f.Err.Error()[len(f.Err.Code)+1:], Fix: f.Err.FixText(), Path: f.Path}
}

// Error is the finding as an error of its class.
func (f Finding) Error() error { return As(f.Class, f.Err) }

// Problems turns findings into what Type.Check returns.
func Problems(findings []Finding) []Problem {
	var list []Problem
	for _, f := range findings {
		list = append(list, f.Problem())
	}
	return list
}

// Join makes one error of all findings, of the first one's class; nil when there is none.
func Join(findings []Finding) error {
	var errs []error
	for _, f := range findings {
		errs = append(errs, f.Error())
	}
	return errors.Join(errs...)
}
