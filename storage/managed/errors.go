package managed

import "errors"

var (
	// ErrFenced: another owner took the managed ledger over. The handle is dead; open it again if the topic is still ours.
	ErrFenced = errors.New("managed ledger fenced by another owner")
	// ErrClosed: the managed ledger, cursor or manager was closed here.
	ErrClosed = errors.New("managed ledger closed")
	// ErrNotFound: no managed ledger, or no cursor, of that name.
	ErrNotFound = errors.New("managed ledger not found")
	// ErrOpen: the managed ledger is open in this process.
	ErrOpen = errors.New("managed ledger already open")
	// ErrTerminated: the managed ledger takes no more entries, for ever.
	ErrTerminated = errors.New("managed ledger terminated")
	// ErrName: a name that cannot be a key.
	ErrName = errors.New("not a managed ledger name")
)
