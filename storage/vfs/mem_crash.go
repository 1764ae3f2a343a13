package vfs

import "math/rand/v2"

// Crash says what of the unsynced state survives a power cut. The zero value drops all of it.
type Crash struct {
	Rand *rand.Rand // decides; nil: nothing unsynced survives
	Keep float64    // chance of each unsynced page to have reached the disk, pages land in any order
	Torn bool       // the last write of each file may end within a page, at a sector
}

// sector is the unit a device writes whole.
const sector = 512

// CrashClone returns the file system as it is found after a power cut now. The original goes on undisturbed.
func (m *Mem) CrashClone(c Crash) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := NewMem()
	out.capacity = m.capacity
	for d := range m.dirs {
		out.dirs[d] = true
	}
	names := make(map[string]*inode, len(m.durable))
	for name, n := range m.durable {
		names[name] = n
	}
	for _, ch := range m.survivingNames(c) {
		apply(names, ch)
	}
	clones := make(map[*inode]*inode, len(names))
	for name, n := range names {
		if clones[n] == nil {
			clones[n] = n.crash(c)
			out.used += int64(len(clones[n].cur))
		}
		out.names[name] = clones[n]
		out.durable[name] = clones[n]
	}
	return out
}

// survivingNames is, for each directory, a random prefix of its unsynced changes: a journal commits them in order.
func (m *Mem) survivingNames(c Crash) []nameChange {
	if c.Rand == nil || c.Keep == 0 {
		return nil
	}
	cut := map[string]bool{}
	var kept []nameChange
	for _, ch := range m.pending {
		if !cut[ch.dir] && c.Rand.Float64() < c.Keep {
			kept = append(kept, ch)
		} else {
			cut[ch.dir] = true
		}
	}
	return kept
}

// crash is the file as the disk has it.
func (n *inode) crash(c Crash) *inode {
	out := &inode{dirty: map[int64]bool{}}
	content := append([]byte(nil), n.dur...)
	if c.Rand != nil {
		content = n.keepPages(content, c)
	}
	out.cur = content
	out.dur = append([]byte(nil), content...)
	return out
}

func (n *inode) keepPages(content []byte, c Crash) []byte {
	lastPage := int64(-1)
	if c.Torn && n.last.to > n.last.from {
		lastPage = (n.last.to - 1) / memPage
	}
	for p := int64(0); p*memPage < int64(len(n.cur)); p++ {
		live, dirty := n.dirty[p]
		if !dirty || !live || c.Rand.Float64() >= c.Keep {
			continue
		}
		size := int64(memPage)
		if p == lastPage {
			size = c.Rand.Int64N(memPage/sector+1) * sector
		}
		end := min(p*memPage+size, int64(len(n.cur)))
		if end > int64(len(content)) {
			content = resize(content, end)
		}
		copyPage(content, n.cur, p, size)
	}
	return content
}
