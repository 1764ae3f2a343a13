// Package fault holds every error a user can meet: a stable code, the cause and the fix. `strobe explain CODE` prints the entry of
// the table; an Error carries the entry and the particulars of this once.
//
// Codes are STB-<ROOM>-nnnn and are never used again for something else. Each room has its own file with its part of the
// table; All puts them together.
package fault

import (
	"errors"
	"fmt"
	"sort"
)

// Fault is one kind of error. Cause and Fix are for people; Fix says what to type or change.
type Fault struct {
	Code  string // STB-SEGMENT-0001
	Title string // one line, lower case, no full stop: what happened
	Cause string // why this happens, in one to four sentences
	Fix   string // what to do, in one to four sentences or commands
}

// Error is one occurrence of a Fault. Its text is "CODE title: detail".
type Error struct {
	*Fault
	Detail string // the particulars: names, values, where
	Fix    string // a fix for exactly this case; empty: the Fault's
	Err    error  // what lay below; may be nil
}

// New makes an occurrence; the detail is formatted as by fmt.Errorf, and an error given for %w becomes its cause.
func (f *Fault) New(format string, args ...any) *Error {
	e := fmt.Errorf(format, args...)
	return &Error{Fault: f, Detail: e.Error(), Err: errors.Unwrap(e)}
}

// WithFix returns a copy of e with a fix for exactly this case.
func (e *Error) WithFix(format string, args ...any) *Error {
	c := *e
	c.Fix = fmt.Sprintf(format, args...)
	return &c
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return e.Code + " " + e.Title
	}
	return e.Code + " " + e.Title + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// FixText is what to do about e.
func (e *Error) FixText() string {
	if e.Fix != "" {
		return e.Fix
	}
	return e.Fault.Fix
}

// Is reports whether e is an occurrence of the same Fault as target.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Fault == e.Fault && (t.Detail == "" || t.Detail == e.Detail)
}

// Of returns the first Error in err's chain.
func Of(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// Has reports whether err's chain holds an occurrence of f.
func Has(err error, f *Fault) bool {
	for err != nil {
		e, ok := Of(err)
		if !ok {
			return false
		}
		if e.Fault == f {
			return true
		}
		err = e.Err
	}
	return false
}

// All is the whole table, by code.
func All() []*Fault {
	var all []*Fault
	for _, room := range rooms {
		all = append(all, room...)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Code < all[j].Code })
	return all
}

// Lookup finds a Fault by its code.
func Lookup(code string) (*Fault, bool) {
	for _, room := range rooms {
		for _, f := range room {
			if f.Code == code {
				return f, true
			}
		}
	}
	return nil, false
}
