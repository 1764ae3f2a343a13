// Package floor holds the probes that show what the machine itself allows. Each does what no product could leave out, and nothing
// else. The pipeline, which is the largest, has a package of its own.
package floor

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/strobemq/strobe/bench/load"
)

// Pages is the probe F8: a file of frames, each as a consumer gets it, that is read from its start and written to whoever connects. The
// file is in the page cache, it was just written. This is catch-up without an index, positions, flow control or a protocol.
type Pages struct {
	Addr string

	path     string
	listener net.Listener
	serving  sync.WaitGroup
}

// pagesRead is how much is read and written at a time.
const pagesRead = 1 << 20

// StartPages writes entries frames of shape's size into a file and serves it on a free port of 127.0.0.1.
func StartPages(path string, shape load.Shape, entries int) (*Pages, error) {
	if err := writePages(path, shape, entries); err != nil {
		os.Remove(path)
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		os.Remove(path)
		return nil, err
	}
	p := &Pages{Addr: l.Addr().String(), path: path, listener: l}
	p.serving.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			_ = p.serve(nc) // the consumer notices that less came
			nc.Close()
		}
	})
	return p, nil
}

func writePages(path string, shape load.Shape, entries int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, pagesRead)
	body := load.Payload(shape.Bytes())
	var head []byte
	for i := range entries {
		head = load.AppendPipelineHeader(head[:0], load.PipelineEntry, uint64(i), len(body))
		if _, err := w.Write(head); err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

// serve sends the whole file to one consumer, whole frames at a time.
func (p *Pages) serve(nc net.Conn) error {
	hello := make([]byte, load.PipelineHeader)
	if _, err := io.ReadFull(nc, hello); err != nil {
		return err
	}
	if _, err := nc.Write(hello); err != nil {
		return err
	}
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	buf := make([]byte, pagesRead)
	at := int64(0)
	for {
		n, err := f.ReadAt(buf, at)
		if n == 0 {
			if err == io.EOF {
				return nil
			}
			return err
		}
		whole := 0
		for whole < n {
			_, _, _, size, err := load.CutPipelineFrame(buf[whole:n])
			if err != nil {
				return err
			}
			if size == 0 {
				break
			}
			whole += size
		}
		if whole == 0 {
			return fmt.Errorf("a frame at %d is cut off", at)
		}
		if _, err := nc.Write(buf[:whole]); err != nil {
			return err
		}
		at += int64(whole)
	}
}

// Drain reads everything once and says when that began.
func (p *Pages) Drain(ctx context.Context, shape load.Shape, entries int) (load.Delivered, time.Time, error) {
	c, err := load.NewPipelineConsumer(ctx, p.Addr, shape)
	if err != nil {
		return load.Delivered{}, time.Time{}, err
	}
	defer c.Close()
	got, err := c.Wait(ctx, uint64(entries*shape.Messages))
	return got, c.Begun(), err
}

// Close ends serving and removes the file. Idempotent.
func (p *Pages) Close() error {
	err := p.listener.Close()
	p.serving.Wait()
	os.Remove(p.path)
	return err
}
