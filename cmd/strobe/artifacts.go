package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/runtime/wasm"
	"github.com/strobemq/strobe/storage/bk"
	"github.com/strobemq/strobe/storage/meta"
)

// chunkBytes is how much of a module lies in one entry of its ledger.
const chunkBytes = 512 << 10

// artifacts keeps uploaded modules: each in a ledger of its own, found by content under /strobe/artifacts/<sha256>. A copy as a
// file is made where it is needed.
type artifacts struct {
	meta    meta.Store
	ledgers bk.Ledgers
	quorum  bk.Quorum
	dir     string
}

func artifactKey(sha256 string) string { return "/strobe/artifacts/" + sha256 }

// Put implements worker.Artifacts.
func (a *artifacts) Put(ctx context.Context, data []byte) (functions.Artifact, error) {
	art := functions.Artifact{SHA256: wasm.Hash(data), Size: int64(len(data))}
	v, err := a.meta.Get(ctx, artifactKey(art.SHA256))
	if err == nil {
		return art, json.Unmarshal(v.Data, &art)
	}
	if !errors.Is(err, meta.ErrNotFound) {
		return art, err
	}
	l, err := a.ledgers.Create(ctx, bk.CreateOptions{Quorum: a.quorum, Digest: bk.DigestCRC32C,
		Custom: map[string][]byte{"application": []byte("strobe"), "component": []byte("function-module")}})
	if err != nil {
		return art, err
	}
	art.Ledger = l.ID()
	done := make(adds, len(data)/chunkBytes+1)
	var list []*bk.Add
	for chunk := data; len(chunk) > 0; {
		n := min(len(chunk), chunkBytes)
		list = append(list, &bk.Add{Body: bk.Bytes(chunk[:n]), Done: done})
		chunk = chunk[n:]
	}
	l.Add(list)
	for range list {
		if err := <-done; err != nil {
			return art, errors.Join(err, l.Close(ctx), a.ledgers.Delete(ctx, l.ID()))
		}
	}
	if err := l.Close(ctx); err != nil {
		return art, err
	}
	text, err := json.Marshal(art)
	if err != nil {
		return art, err
	}
	_, err = a.meta.Put(ctx, artifactKey(art.SHA256), text, meta.Absent)
	if errors.Is(err, meta.ErrConflict) { // the same upload at the same time was first
		if err := a.ledgers.Delete(ctx, l.ID()); err != nil {
			return art, err
		}
		return a.Put(ctx, data)
	}
	return art, err
}

// adds counts completions of the chunks.
type adds chan error

func (a adds) AddsDone(done []*bk.Add) {
	for _, d := range done {
		a <- d.Err
	}
}

// Fetch implements worker.Artifacts.
func (a *artifacts) Fetch(ctx context.Context, art functions.Artifact) (string, error) {
	path := filepath.Join(a.dir, art.SHA256+".wasm")
	if data, err := os.ReadFile(path); err == nil && wasm.Hash(data) == art.SHA256 {
		return path, nil
	}
	data, err := a.read(ctx, art)
	if err != nil {
		return "", fmt.Errorf("module %s: %w", art.SHA256, err)
	}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(a.dir, "module-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name()) // gone already if all went well
	if _, err := f.Write(data); err != nil {
		return "", errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return "", err
	}
	return path, os.Rename(f.Name(), path)
}

func (a *artifacts) read(ctx context.Context, art functions.Artifact) ([]byte, error) {
	l, err := a.ledgers.Open(ctx, art.Ledger, true)
	if err != nil {
		return nil, err
	}
	defer l.Close(ctx)
	last, _ := l.LastConfirmed()
	var data bytes.Buffer
	for next := int64(0); next <= last; {
		es, err := l.Read(ctx, next, last, 4<<20)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			data.Write(e.Payload.B)
			e.Payload.Release()
		}
		next += int64(len(es))
	}
	if wasm.Hash(data.Bytes()) != art.SHA256 {
		return nil, fmt.Errorf("ledger %d holds other bytes than the hash says", art.Ledger)
	}
	return data.Bytes(), nil
}

// Delete implements worker.Artifacts.
func (a *artifacts) Delete(ctx context.Context, art functions.Artifact) error {
	err := a.meta.Delete(ctx, artifactKey(art.SHA256), meta.Any)
	if err != nil && !errors.Is(err, meta.ErrNotFound) {
		return err
	}
	if err := os.Remove(filepath.Join(a.dir, art.SHA256+".wasm")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return a.ledgers.Delete(ctx, art.Ledger)
}
