package local_test

import (
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/strobemq/strobe/storage/meta"
	"github.com/strobemq/strobe/storage/meta/local"
)

func BenchmarkOpenEmpty(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		s, err := local.Open(local.Options{Dir: filepath.Join(dir, fmt.Sprint(i))})
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func BenchmarkOpenFirstPut(b *testing.B) {
	dir := b.TempDir()
	for i := 0; b.Loop(); i++ {
		s, err := local.Open(local.Options{Dir: filepath.Join(dir, fmt.Sprint(i))})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Put(b.Context(), "/k", nil, meta.Absent); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func openBench(b *testing.B) *local.Store {
	s, err := local.Open(local.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

func BenchmarkPut(b *testing.B) {
	s := openBench(b)
	for i := 0; b.Loop(); i++ {
		if _, err := s.Put(b.Context(), fmt.Sprintf("/k/%d", i), make([]byte, 200), meta.Absent); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutConcurrent(b *testing.B) {
	s := openBench(b)
	var n atomic.Int64
	b.SetParallelism(64)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := s.Put(b.Context(), fmt.Sprintf("/k/%d", n.Add(1)), make([]byte, 200), meta.Absent); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	s := openBench(b)
	if _, err := s.Put(b.Context(), "/k", make([]byte, 200), meta.Absent); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Get(b.Context(), "/k"); err != nil {
			b.Fatal(err)
		}
	}
}
