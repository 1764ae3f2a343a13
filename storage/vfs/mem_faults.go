package vfs

import (
	"path/filepath"
	"sync"
)

// Op is an operation that can be made to fail.
type Op uint8

const (
	OpCreate Op = iota + 1
	OpOpen
	OpRead
	OpWrite
	OpSync
	OpRename
	OpRemove
	OpSyncDir
)

// Fault makes operations of a Mem fail. The first Skip that match pass, the next Count are hit (0: all from then on).
type Fault struct {
	Op    Op
	Name  string // pattern of filepath.Match for the last element of the name; empty: every name
	Skip  int
	Count int

	Err   error         // what the operation answers
	Short bool          // a write writes half before Err, a read returns half with io.ErrUnexpectedEOF
	Hang  chan struct{} // the operation waits until this is closed, then goes on (with Err, if there is one)

	hits int
}

type faults struct {
	mu    sync.Mutex
	rules []*Fault
	hook  func(Op, string)
}

// Inject adds a rule. The first rule that hits an operation decides.
func (m *Mem) Inject(f *Fault) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.rules = append(m.faults.rules, f)
}

// Heal removes all rules.
func (m *Mem) Heal() {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.rules = nil
}

// Hits is how often the rule has hit.
func (m *Mem) Hits(f *Fault) int {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	return f.hits
}

// SetHook has fn called before every operation, without a lock held, so that a test can clone or count at exact points.
func (m *Mem) SetHook(fn func(op Op, name string)) {
	m.faults.mu.Lock()
	defer m.faults.mu.Unlock()
	m.faults.hook = fn
}

// check returns the rule that hits this operation, after its hang.
func (f *faults) check(op Op, name string) *Fault {
	f.mu.Lock()
	hook := f.hook
	var hit *Fault
	for _, r := range f.rules {
		if r.Op != op || !r.matches(name) {
			continue
		}
		if r.Skip > 0 {
			r.Skip--
			continue
		}
		if r.Count > 0 && r.hits >= r.Count {
			continue
		}
		r.hits++
		hit = r
		break
	}
	f.mu.Unlock()
	if hook != nil {
		hook(op, name)
	}
	if hit != nil && hit.Hang != nil {
		<-hit.Hang
	}
	return hit
}

func (r *Fault) matches(name string) bool {
	if r.Name == "" {
		return true
	}
	ok, err := filepath.Match(r.Name, filepath.Base(name))
	return err == nil && ok
}
