package main

import (
	"fmt"
	"slices"
)

// keys is how many keys the messages of a topic have, in turns: message n has key n modulo keys.
const keys = 7

// notes is what one reader of a topic saw: numbered messages, where each came first.
type notes struct {
	where   []position         // of message n; nowhere: not seen
	last    position           // the furthest
	newest  int                // the message that is to come next, without keys
	ofKey   [keys]int          // and with keys: the highest seen of each key, -1: none
	came    int                // messages that came for the first time
	again   int                // that came again at a position seen before
	doubled map[int][]position // where messages lie once more
}

func newNotes() *notes {
	n := &notes{last: nowhere, doubled: map[int][]position{}}
	for k := range n.ofKey {
		n.ofKey[k] = -1
	}
	return n
}

func (s *notes) seen(n int) bool { return n < len(s.where) && s.where[n] != nowhere }

// lies says whether message n was seen at p.
func (s *notes) lies(n int, p position) bool {
	return s.where[n] == p || slices.Contains(s.doubled[n], p)
}

func (s *notes) note(n int, p position) {
	for len(s.where) <= n {
		s.where = append(s.where, nowhere)
	}
	s.where[n] = p
	s.came++
}

// ordered takes message n at p from a reader that gets everything in the topic's order. A position that is not further than the last is one that is
// delivered again. Without once, a message may lie in the topic again further on, as senders repeat what they got no receipt for.
func (s *notes) ordered(n int, p position, once bool) error {
	if !p.after(s.last) {
		if !s.seen(n) {
			return fmt.Errorf("message %d came at %v, after %v, and not before", n, p, s.last)
		}
		s.again++
		return nil
	}
	s.last = p
	switch {
	case n == s.newest:
		s.newest++
		s.note(n, p)
		return nil
	case n > s.newest:
		err := fmt.Errorf("message %d came at %v, message %d was to come: %d are missing", n, p, s.newest, n-s.newest)
		s.newest = n + 1
		s.note(n, p)
		return err
	case once:
		return fmt.Errorf("message %d came at %v, and at %v before: it is there twice", n, p, s.where[n])
	}
	s.doubled[n] = append(s.doubled[n], p)
	return nil
}

// keyed takes message n at p from a consumer that gets the messages of each key in order, which is judged with strict.
func (s *notes) keyed(n int, p position, once, strict bool) error {
	if s.seen(n) {
		if s.lies(n, p) {
			s.again++
			return nil
		}
		if once {
			return fmt.Errorf("message %d came at %v, and at %v before: it is there twice", n, p, s.where[n])
		}
		s.doubled[n] = append(s.doubled[n], p)
		return nil
	}
	key := n % keys
	last := s.ofKey[key]
	s.ofKey[key] = max(last, n)
	s.note(n, p)
	if want := last + keys; strict && (last >= 0 && n != want || last < 0 && n != key) {
		return fmt.Errorf("under key %d message %d came at %v, after %d", key, n, p, last)
	}
	return nil
}

// against compares with the receipts: each of total messages came, and lies where its receipt says.
func (s *notes) against(receipts []position) []error {
	var errs []error
	for n, r := range receipts {
		switch {
		case !s.seen(n):
			errs = append(errs, fmt.Errorf("message %d has a receipt for %v and is lost", n, r))
		case r.ledger >= 0 && !s.lies(n, r):
			errs = append(errs, fmt.Errorf("message %d has a receipt for %v and lies at %v", n, r, s.where[n]))
		}
		if len(errs) == 3 {
			break
		}
	}
	return errs
}
