package worker

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// maxTail is how much of a log is sent before following it.
const maxTail = 1 << 20

// restLogs sends the end of an instance's log as text; ?instance=N (0), ?bytes=N (64 KiB), ?follow=true.
func (w *Worker) restLogs(q *request) error {
	if _, err := w.store.live(q.Context(), q.kind, q.name); err != nil {
		return err
	}
	number := func(key string, def, most int64) (int64, error) {
		text := q.URL.Query().Get(key)
		if text == "" {
			return def, nil
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 || n > most {
			return 0, fault.WorkerBadConfig.New("%s=%s; want 0 to %d", key, text, most)
		}
		return n, nil
	}
	index, err := number("instance", 0, 1000)
	if err != nil {
		return err
	}
	tail, err := number("bytes", 64<<10, maxTail)
	if err != nil {
		return err
	}
	path := w.o.LogFile(q.kind, q.name, int(index))
	q.rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	return follow(q, path, tail, q.URL.Query().Get("follow") == "true")
}

// follow copies the last tail bytes of a file, from the start of a line, and what is written to it afterwards until the client
// goes away. A file that is replaced by a new one is read from its start.
func follow(q *request, path string, tail int64, on bool) error {
	var f *os.File
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	flush := http.NewResponseController(q.rw)
	for first := true; ; first = false {
		if f == nil {
			var err error
			f, err = os.Open(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			if f != nil && first {
				if err := seekTail(f, tail); err != nil {
					return err
				}
			}
		}
		if f != nil {
			if _, err := io.Copy(q.rw, f); err != nil {
				return nil // the client went away
			}
			here, err1 := f.Stat()
			there, err2 := os.Stat(path)
			if err1 == nil && err2 == nil && !os.SameFile(here, there) {
				f.Close()
				f = nil
				continue
			}
		}
		if !on {
			return nil
		}
		if flush.Flush() != nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-q.Context().Done():
			return nil
		}
	}
}

func seekTail(f *os.File, tail int64) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if size <= tail {
		_, err = f.Seek(0, io.SeekStart)
		return err
	}
	at, err := f.Seek(-tail, io.SeekEnd)
	if err != nil {
		return err
	}
	var b [4096]byte
	n, err := f.Read(b[:])
	if err != nil {
		return err
	}
	for i := range n {
		if b[i] == '\n' {
			_, err = f.Seek(at+int64(i)+1, io.SeekStart)
			return err
		}
	}
	_, err = f.Seek(at, io.SeekStart)
	return err
}
