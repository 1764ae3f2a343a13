package ledger

import "slices"

// RolloverWanted implements bk.RolloverWanter: the ledger was made smaller than asked for, and there are bookies enough now.
func (w *writer) RolloverWanted() bool {
	w.mu.Lock()
	smaller := w.err == nil && w.md.Quorum != w.asked
	w.mu.Unlock()
	if !smaller {
		return false
	}
	avoid := w.c.avoided()
	good := 0
	for _, id := range w.c.bookies.Writable() {
		if !slices.Contains(avoid, id) {
			good++
		}
	}
	return good > w.md.Quorum.Ensemble
}
