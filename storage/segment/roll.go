package segment

// roll begins the next segment. Everything in the one before is durable: a commit syncs before the next is written.
func (w *writer) roll() error {
	l := w.log
	s, err := l.create(w.seg.generation + 1)
	if err != nil {
		return err
	}
	l.mu.Lock()
	l.open = append(l.open, s)
	l.mu.Unlock()
	w.open(s, groupsAt)
	return nil
}

// failed is why a segment could not be begun.
func (l *Log) failed(err error) error { return l.writeFailed(l.writer.seg, err) }
