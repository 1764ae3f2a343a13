package topic

import "fmt"

// State is where a topic is in its life.
//
//	            Loaded            Terminate
//	Loading ──────────────► Open ───────────► Terminated
//	   │ └── LoadedEnded ──────│──────────────────► ▲
//	   │ LoadFailed            │ Fence, Unload, Delete (from both)
//	   ▼                       ▼
//	  Gone ◄── Closed ── Fenced, Unloading, Deleting
//
// A topic that is gone is never used again; the next load is another life.
type State uint8

const (
	Loading    State = iota // its ledger, cursors and deduplication state are being opened; nothing is let in
	Open                    // serving
	Terminated              // serving readers; takes no more publishes
	Fenced                  // another owner has the ledger; everybody was disconnected, nothing is written any more
	Unloading               // being closed; what was published completes
	Deleting                // being closed and removed
	Gone
)

var stateNames = [...]string{"loading", "open", "terminated", "fenced", "unloading", "deleting", "gone"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Serving reports whether consumers are let in.
func (s State) Serving() bool { return s == Open || s == Terminated }

// event is what happens to a topic.
type event uint8

const (
	loaded      event = iota // opened
	loadedEnded              // opened, and it was terminated before
	loadFailed
	terminate
	fence  // another owner was found
	unload // somebody asked, or the process ends
	remove // somebody asks to delete it
	ended  // everything is closed
)

var eventNames = [...]string{"loaded", "loaded-ended", "load-failed", "terminate", "fence", "unload", "remove", "ended"}

func (e event) String() string { return eventNames[e] }

// next is the state after e; false when e cannot happen in s and nothing changes.
func (s State) next(e event) (State, bool) {
	switch {
	case s == Loading && e == loaded:
		return Open, true
	case s == Loading && e == loadedEnded:
		return Terminated, true
	case s == Loading && e == loadFailed:
		return Gone, true
	case s == Open && e == terminate:
		return Terminated, true
	case s.Serving() && e == fence:
		return Fenced, true
	case (s.Serving() || s == Fenced) && e == unload:
		return Unloading, true
	case (s.Serving() || s == Fenced) && e == remove:
		return Deleting, true
	case (s == Unloading || s == Deleting) && e == ended:
		return Gone, true
	}
	return s, false
}
