package local

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strobemq/strobe/storage/meta"
)

// sequenceBlock is how many numbers one sync reserves. A crash skips the rest of a block.
const sequenceBlock = 256

// sequence hands out the numbers from next to end, which are reserved on disk.
type sequence struct {
	next, end uint64
}

// Sequence implements meta.Store.
func (s *Store) Sequence(ctx context.Context, path string) (int64, error) {
	if err := meta.CheckKey(path); err != nil {
		return 0, err
	}
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	defer s.busy.Done()
	for {
		if n, ok := s.take(path); ok {
			return int64(n), nil
		}
		if err := s.reserve(ctx, path); err != nil {
			return 0, err
		}
	}
}

func (s *Store) take(path string) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.sequences[path]
	if q == nil || q.next == q.end {
		return 0, false
	}
	q.next++
	return q.next - 1, true
}

// reserve makes a block durable before anybody gets a number of it.
func (s *Store) reserve(ctx context.Context, path string) error {
	keys := []string{"sequence " + path} // no key of a value
	if err := s.acquire(ctx, keys); err != nil {
		return err
	}
	defer s.release(keys)
	s.mu.Lock()
	q := s.sequences[path]
	left := q != nil && q.next < q.end
	s.mu.Unlock()
	if left {
		return nil // somebody else did it meanwhile
	}
	first, err := s.reserved(path)
	if err != nil {
		return err
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := batch.Set(sequenceKey(path), encodeNumber(first+sequenceBlock), nil); err != nil {
		return err
	}
	if err := s.commit(batch); err != nil {
		return err
	}
	s.mu.Lock()
	s.sequences[path] = &sequence{next: first, end: first + sequenceBlock}
	s.mu.Unlock()
	return nil
}

// reserved is the first number of path's counter that was never reserved.
func (s *Store) reserved(path string) (uint64, error) {
	record, closer, err := s.db.Get(sequenceKey(path))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer closer.Close()
	return decodeNumber(path, record)
}

// returnSequences gives back what was reserved and not handed out, so that an orderly restart skips nothing. Nobody takes numbers
// any more.
func (s *Store) returnSequences() error {
	batch := s.db.NewBatch()
	defer batch.Close()
	for path, q := range s.sequences {
		if q.next == q.end {
			continue
		}
		if err := batch.Set(sequenceKey(path), encodeNumber(q.next), nil); err != nil {
			return err
		}
	}
	if batch.Empty() {
		return nil
	}
	return s.commit(batch)
}
