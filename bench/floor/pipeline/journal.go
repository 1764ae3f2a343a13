package pipeline

import (
	"encoding/binary"
	"hash/crc32"
	"os"
	"runtime"
	"sync"
	"unsafe"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	fileSize   = 256 << 20
	bufferSize = 16 << 20
	block      = 4096
)

// stored is an entry on its way to the journal and back.
type stored struct {
	id      uint64
	payload []byte
}

// acker learns, on the journal's completing goroutine and in order, which entries are durable.
type acker interface{ durable(ids []uint64) }

// journal is a file that was written once and is overwritten from its start again and again: the fastest thing a log can be on one
// device. Entries gather in one buffer while the other is written and synced.
type journal struct {
	file *os.File

	mu             sync.Mutex
	some, room     sync.Cond
	buf, spare     []byte
	ids            []uint64
	to             acker
	closed         bool
	full           chan []uint64 // written and synced
	free           chan []uint64
	at             int64
	writer, teller sync.WaitGroup
}

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	defer os.Remove(path)
	zero := make([]byte, 4<<20)
	for i := 0; i < fileSize && err == nil; i += len(zero) {
		_, err = f.Write(zero)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	j := &journal{file: f, buf: aligned(bufferSize), spare: aligned(bufferSize), full: make(chan []uint64, 1), free: make(chan []uint64, 2)}
	j.some.L, j.room.L = &j.mu, &j.mu
	j.free <- nil
	j.free <- nil
	j.writer.Go(j.write)
	j.teller.Go(func() {
		for ids := range j.full {
			j.mu.Lock()
			to := j.to
			j.mu.Unlock()
			to.durable(ids)
			j.free <- ids
		}
	})
	return j, nil
}

// aligned is an empty slice whose memory begins at a block.
func aligned(n int) []byte {
	b := make([]byte, n+block)
	off := (block - int(uintptr(unsafe.Pointer(&b[0]))%block)) % block
	return b[off : off : off+n]
}

// append queues entries; to is told when they are durable and is the same in every call. Payloads are the caller's again at return.
func (j *journal) append(entries []stored, to acker) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.to = to
	for _, e := range entries {
		for len(j.buf)+8+len(e.payload)+block > cap(j.buf) && !j.closed {
			j.some.Signal()
			j.room.Wait()
		}
		if j.closed {
			return
		}
		j.buf = binary.BigEndian.AppendUint32(j.buf, uint32(len(e.payload)))
		j.buf = binary.BigEndian.AppendUint32(j.buf, crc32.Checksum(e.payload, castagnoli))
		j.buf = append(j.buf, e.payload...)
		j.ids = append(j.ids, e.id)
	}
	j.some.Signal()
}

func (j *journal) write() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(j.full)
	for {
		ids := <-j.free
		j.mu.Lock()
		for len(j.ids) == 0 && !j.closed {
			j.some.Wait()
		}
		if len(j.ids) == 0 {
			j.mu.Unlock()
			return
		}
		buf := j.buf
		j.buf, j.spare = j.spare[:0], nil
		ids, j.ids = j.ids, ids[:0]
		j.room.Broadcast()
		j.mu.Unlock()
		j.commit(buf)
		j.spare = buf
		j.full <- ids
	}
}

// commit writes whole blocks and syncs them. A probe that cannot write has nothing to say.
func (j *journal) commit(b []byte) {
	b = b[:(len(b)+block-1)/block*block]
	if j.at+int64(len(b)) > fileSize {
		j.at = 0
	}
	if _, err := j.file.WriteAt(b, j.at); err != nil {
		panic(err)
	}
	j.at += int64(len(b))
	if err := datasync(j.file); err != nil {
		panic(err)
	}
}

// close writes what is queued and joins. Idempotent.
func (j *journal) close() {
	j.mu.Lock()
	j.closed = true
	j.some.Signal()
	j.room.Broadcast()
	j.mu.Unlock()
	j.writer.Wait()
	j.teller.Wait()
	j.file.Close()
}
