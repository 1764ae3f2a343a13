package segment

// roll begins the next segment. Everything in the one before is durable: a commit syncs before the next is written.
func (w *writer) roll() error {
	l := w.log
	l.preparing.Lock()
	defer l.preparing.Unlock()
	l.reg.mu.Lock()
	s := l.reg.next
	l.reg.next = nil
	l.reg.mu.Unlock()
	if s == nil {
		var err error
		if s, err = l.prepare(); err != nil {
			return err
		}
	}
	if w.seg != nil {
		l.rolls(w.seg)
		w.seg.last = link{known: true, number: w.number, sum: w.previous}
	}
	l.wantRoll.Store(false) // whoever wanted it has it
	a := &active{segment: s, index: newIndex()}
	l.reg.add(a)
	w.open(a, groupsAt)
	l.kick()
	return nil
}
