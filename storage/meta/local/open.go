package local

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sys/unix"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/storage/meta"
)

// Open opens the store in o.Dir, or makes an empty one. It refuses a directory that another process has open (MetaInUse), that a
// newer version wrote (MetaFormat), or whose files are damaged (MetaDamaged).
func Open(o Options) (*Store, error) {
	s := &Store{
		options: o.withDefaults(), changing: map[string]*change{}, ephemerals: map[string]ephemeral{},
		sessions: map[*session]bool{}, sequences: map[string]*sequence{},
	}
	if err := s.options.FS.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fault.MetaDamaged.New("%w", err)
	}
	var err error
	if s.lock, err = pebble.LockDirectory(o.Dir, s.options.FS); err != nil {
		return nil, s.lockError(err)
	}
	if err := s.openDB(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.db.Close(), s.lock.Close())
	}
	return s, nil
}

func (s *Store) lockError(err error) error {
	if errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EAGAIN) {
		return fault.MetaDamaged.New("%w", err)
	}
	return fault.MetaInUse.New("%s: %w", s.options.Dir, err)
}

func (s *Store) openDB() error {
	desc, err := pebble.Peek(s.options.Dir, s.options.FS)
	if err != nil {
		return fault.MetaFormat.New("%s: %w", s.options.Dir, err)
	}
	if desc.Exists && desc.FormatMajorVersion > pebbleFormat {
		return fault.MetaFormat.New("%s: Pebble format %d, this version knows %d", s.options.Dir, desc.FormatMajorVersion, pebbleFormat)
	}
	p := s.pebbleOptions()
	p.Lock = s.lock
	if s.db, err = pebble.Open(s.options.Dir, p); err != nil {
		return fault.MetaDamaged.New("%s: %w", s.options.Dir, err)
	}
	return nil
}

// start checks the format and begins a new epoch of versions. It does not wait for a sync: the log keeps its order, so that the
// first change that is answered brings these records with it, and until then nobody has seen a version of this epoch.
func (s *Store) start() error {
	empty, err := s.checkFormat()
	if err != nil {
		return err
	}
	var epoch uint64
	if !empty {
		record, closer, err := s.db.Get(epochKey)
		if err != nil {
			return fault.MetaDamaged.New("%s: epoch: %w", s.options.Dir, err)
		}
		epoch, err = decodeNumber("the epoch", record)
		if err := errors.Join(err, closer.Close()); err != nil {
			return err
		}
	}
	epoch++
	s.version = meta.Version(epoch << versionBits)
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := errors.Join(batch.Set(formatKey, []byte(formatVersion), nil), batch.Set(epochKey, encodeNumber(epoch), nil)); err != nil {
		return err
	}
	return s.db.Apply(batch, pebble.NoSync)
}

// checkFormat tells whether the store is empty, and fails when it is neither empty nor of a known format.
func (s *Store) checkFormat() (empty bool, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return false, err
	}
	defer it.Close()
	if !it.First() {
		return true, it.Error()
	}
	format, closer, err := s.db.Get(formatKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, fault.MetaFormat.New("%s holds a Pebble store that is not Strobe's", s.options.Dir)
	}
	if err != nil {
		return false, fmt.Errorf("format: %w", err)
	}
	defer closer.Close()
	if string(format) != formatVersion {
		return false, fault.MetaFormat.New("%s is of format %.40q, this version knows %q", s.options.Dir, format, formatVersion)
	}
	return false, nil
}
