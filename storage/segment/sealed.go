package segment

import "io"

// A sealed segment is read through its footer and pread alone; what sorts survivors into other files later only has to leave
// the same two things behind.

// sealedRuns is the runs of one ledger in a sealed segment.
type sealedRuns struct {
	seg   *segment
	table []pieceRun
	dup   bool
	at    int64  // of the items in the file
	data  []byte // all items; nil: they are read run by run
}

// readWhole is how large a footer piece is read in one go.
const readWhole = 16 << 10

func (s *segment) readSeal() (seal, error) {
	b := make([]byte, sealSize)
	if n, err := s.file.ReadAt(b, sealAt); n < len(b) {
		return seal{}, err
	}
	return decodeSeal(b, s.seed)
}

// readRuns reads the piece of a ledger.
func (s *segment) readRuns(r row) (*sealedRuns, error) {
	n := r.head
	if r.total <= readWhole {
		n = r.total
	}
	b := make([]byte, n)
	if err := s.readFull(b, r.at); err != nil {
		return nil, err
	}
	p, err := decodePiece(b, s.seed)
	if err != nil || p.head != r.head || p.total != r.total {
		return nil, &damageError{damage{s.generation, r.at, r.at + int64(r.head)}}
	}
	runs := &sealedRuns{seg: s, table: p.table, dup: p.overlap, at: r.at + int64(r.head)}
	if n == r.total {
		runs.data = b[r.head:]
	}
	return runs, nil
}

// readFull reads exactly len(b) bytes.
func (s *segment) readFull(b []byte, at int64) error {
	n, err := s.file.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (r *sealedRuns) runs() int                 { return len(r.table) }
func (r *sealedRuns) bounds(i int) (f, l int64) { return r.table[i].first, r.table[i].last }
func (r *sealedRuns) overlap() bool             { return r.dup }
func (r *sealedRuns) memory() int               { return 100 + len(r.table)*40 + len(r.data) }

func (r *sealedRuns) items(i int) (runItems, error) {
	t := r.table[i]
	var b []byte
	if r.data != nil {
		b = r.data[t.off:][:t.length]
	} else {
		b = make([]byte, t.length)
		if err := r.seg.readFull(b, r.at+int64(t.off)); err != nil {
			return runItems{}, err
		}
	}
	if r.seg.seed.sum(b) != t.sum {
		at := r.at + int64(t.off)
		return runItems{}, &damageError{damage{r.seg.generation, at, at + int64(t.length)}}
	}
	return runItems{data: b, entry: t.first - 1, end: int64(t.base)}, nil
}
