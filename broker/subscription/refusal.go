package subscription

import (
	"github.com/strobemq/strobe/broker/wire"
	"github.com/strobemq/strobe/internal/fault"
)

// Refusal is an error with its answer on the wire: the protocol's code for the client's machine, the fault for people.
type Refusal struct {
	Code wire.ServerError
	Err  *fault.Error
}

func (r *Refusal) Error() string { return r.Err.Error() }

func (r *Refusal) Unwrap() error { return r.Err }

// Refuse makes a Refusal of one occurrence of f.
func Refuse(code wire.ServerError, f *fault.Fault, format string, args ...any) *Refusal {
	return &Refusal{Code: code, Err: f.New(format, args...)}
}
