package meta

import (
	"context"
	"fmt"
)

// Change is one Put or Delete of a Batch.
type Change struct {
	Key    string
	Data   []byte
	Delete bool
	Expect Version
}

// Batcher is a Store that changes several keys in one step. All stores do, ZooKeeper can.
type Batcher interface {
	// Batch makes all changes or none: ErrConflict when a version is not the one expected, ErrNotFound when a key to delete is
	// not there. It returns the new versions in the order of the changes (0 for a delete). At most MaxBatch changes, each key once;
	// their data is the caller's again at return. Durable when it returns nil. Watches see one event a key.
	Batch(ctx context.Context, changes []Change) ([]Version, error)
}

// CheckBatch tells whether changes may be a Batch: keys and values within the limits, each key once.
func CheckBatch(changes []Change) error {
	if len(changes) > MaxBatch {
		return fmt.Errorf("metadata batch: %d changes, at most %d", len(changes), MaxBatch)
	}
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		if err := CheckKey(c.Key); err != nil {
			return err
		}
		if err := CheckValue(c.Key, c.Data); err != nil {
			return err
		}
		if seen[c.Key] {
			return fmt.Errorf("metadata batch: %s stands twice", c.Key)
		}
		seen[c.Key] = true
	}
	return nil
}

// Expected tells whether c may be made to a key whose version is have (Absent: there is none).
func Expected(c Change, have Version) error {
	switch {
	case c.Delete && have == Absent:
		return ErrNotFound
	case c.Expect != Any && c.Expect != have:
		return ErrConflict
	}
	return nil
}
