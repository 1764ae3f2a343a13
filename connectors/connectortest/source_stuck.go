package connectortest

import (
	"context"
	"fmt"
	"time"

	"github.com/strobemq/strobe/connectors"
)

// stuckTopic is a life in which the topic of one key takes nothing, while those of the others do, for longer than one batch and with nothing
// to read at the end. Close ends it in order: whatever position the source stores then, the rows of that key come again.
func (r *sourceRun) stuckTopic(ctx context.Context) error {
	p, err := r.begin(0)
	if err != nil {
		return err
	}
	defer p.source.Close()
	if err := p.connect(ctx); err != nil {
		return err
	}
	stuck := &stuckKey{read: map[string]bool{}}
	for range 4 {
		if _, err := r.writeAndFinishBut(ctx, p, stuck, rowsPerLife); err != nil {
			return err
		}
	}
	// Now a batch without that key, which is done as a whole while those before it are not.
	for left := 1; left > 0; {
		if left, err = r.writeAndFinishBut(ctx, p, stuck, 1); err != nil {
			return err
		}
	}
	// The external system has nothing more for the source, goes on, and says so.
	if r.suite.Elsewhere != nil {
		if err := r.suite.Elsewhere(ctx); err != nil {
			return fmt.Errorf("elsewhere: %w", err)
		}
	}
	idle, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	for {
		b, err := p.source.Read(idle)
		switch {
		case idle.Err() != nil:
			return p.source.Close()
		case err != nil:
			return fmt.Errorf("read: %w", err)
		}
		if _, err := p.finishBut(ctx, stuck, b); err != nil {
			return err
		}
	}
}

// writeAndFinishBut writes n rows, reads them and does finishBut. It returns how many records of the last batch are left.
func (r *sourceRun) writeAndFinishBut(ctx context.Context, p *process, s *stuckKey, n int) (left int, err error) {
	from := len(r.rows)
	if err := r.write(ctx, n); err != nil {
		return 0, err
	}
	for !s.hasRead(r.rows[from:]) {
		b, err := p.read(ctx)
		if err != nil {
			return 0, err
		}
		if left, err = p.finishBut(ctx, s, b); err != nil {
			return 0, err
		}
	}
	return left, nil
}

// stuckKey is the key whose topic takes nothing: that of the first row there is.
type stuckKey struct {
	key  string
	read map[string]bool // values
}

func (s *stuckKey) hasRead(rows []Row) bool {
	for _, row := range rows {
		if !s.read[row.Value] {
			return false
		}
	}
	return true
}

// finishBut delivers and acknowledges all of a batch but the rows of the stuck key, and returns how many those are.
func (p *process) finishBut(ctx context.Context, s *stuckKey, b connectors.Batch) (left int, err error) {
	var done []int
	for i, rec := range b.Records {
		if len(s.read) == 0 {
			s.key = string(rec.Key)
		}
		s.read[string(rec.Payload)] = true
		if string(rec.Key) == s.key {
			continue
		}
		p.run.topics.deliver(rec)
		done = append(done, i)
	}
	if len(done) > 0 {
		if err := b.Ack(ctx, done); err != nil {
			return 0, fmt.Errorf("ack: %w", err)
		}
	}
	return len(b.Records) - len(done), nil
}
