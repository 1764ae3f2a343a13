package instance

// chunkSize is what memory is asked for in; what is large is allocated by itself.
const chunkSize = 256 << 10

// memory holds copies of bytes until all of them go at once. It is used again and again without allocating: chunks that a round did not
// need are given back after it.
type memory struct {
	chunks [][]byte
	used   int // chunks in use; the last of them is being filled
}

// copy returns a copy of b that lasts until reset; nil stays nil.
func (m *memory) copy(b []byte) []byte {
	switch {
	case b == nil:
		return nil
	case len(b) > chunkSize/4:
		return append([]byte(nil), b...)
	case m.used == 0 || cap(m.chunks[m.used-1])-len(m.chunks[m.used-1]) < len(b):
		if m.used == len(m.chunks) {
			m.chunks = append(m.chunks, make([]byte, 0, chunkSize))
		}
		m.used++
	}
	c := m.chunks[m.used-1]
	start := len(c)
	c = append(c, b...)
	m.chunks[m.used-1] = c
	return c[start:len(c):len(c)]
}

func (m *memory) reset() {
	for i := range m.chunks[:m.used] {
		m.chunks[i] = m.chunks[i][:0]
	}
	clear(m.chunks[m.used:])
	m.chunks, m.used = m.chunks[:m.used], 0
}
