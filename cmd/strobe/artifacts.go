package main

import (
	"bytes"
	"context"
	"crypto/rand"
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
//
// The record under that key is there before the ledger and goes after it (artifact_record.go), so that a crash at any moment leaves a record
// from which Put, Delete and List know what to clean.
type artifacts struct {
	meta    meta.Store
	ledgers bk.Ledgers
	quorum  bk.Quorum
	dir     string
}

// Put implements worker.Artifacts.
func (a *artifacts) Put(ctx context.Context, data []byte) (functions.Artifact, error) {
	r := artifactRecord{Artifact: functions.Artifact{SHA256: wasm.Hash(data), Size: int64(len(data)), Ledger: noLedger}}
	have, version, err := a.load(ctx, r.SHA256)
	if err != nil {
		return r.Artifact, err
	}
	if version != meta.Absent && have.State == artifactWhole {
		return have.Artifact, nil
	}
	if version != meta.Absent { // a crash cut an upload or a deletion short
		if err := a.Delete(ctx, have.Artifact); err != nil {
			return r.Artifact, err
		}
	}
	r.State, r.Upload = artifactUploading, rand.Text()
	if version, err = a.save(ctx, r, meta.Absent); err != nil {
		return r.Artifact, err
	}
	if err := a.upload(ctx, &r, version, data); err != nil {
		return r.Artifact, errors.Join(err, a.Delete(context.WithoutCancel(ctx), r.Artifact))
	}
	return r.Artifact, nil
}

// upload writes the ledger, and then the record that says it is whole.
func (a *artifacts) upload(ctx context.Context, r *artifactRecord, version meta.Version, data []byte) error {
	l, err := a.ledgers.Create(ctx, bk.CreateOptions{Quorum: a.quorum, Digest: bk.DigestCRC32C, Custom: map[string][]byte{
		"application": []byte("strobe"), "component": []byte("function-module"), uploadProperty: []byte(r.Upload)}})
	if err != nil {
		return err
	}
	r.Ledger = l.ID()
	if version, err = a.save(ctx, *r, version); err != nil {
		return errors.Join(err, l.Close(ctx))
	}
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
			return errors.Join(err, l.Close(ctx))
		}
	}
	if err := l.Close(ctx); err != nil {
		return err
	}
	r.State, r.Upload = artifactWhole, ""
	_, err = a.save(ctx, *r, version)
	return err
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
	path := a.file(art.SHA256)
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
	f, err := os.CreateTemp(a.dir, fetching)
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

// fetching is the pattern of files that are being written.
const fetching = "module-*"

func (a *artifacts) file(sha256 string) string { return filepath.Join(a.dir, sha256+".wasm") }

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
	r, version, err := a.load(ctx, art.SHA256)
	if err != nil {
		return err
	}
	if version != meta.Absent && r.State == artifactWhole {
		r.State = artifactDeleting
		if version, err = a.save(ctx, r, version); err != nil {
			return err
		}
	}
	if err := os.Remove(a.file(art.SHA256)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	gone := []int64{art.Ledger, r.Ledger}
	if version != meta.Absent && r.Ledger == noLedger { // the process ended before it could note which ledger it had made
		if gone, err = a.uploadedAs(ctx, r.Upload); err != nil {
			return err
		}
	}
	for _, id := range gone {
		if id == noLedger {
			continue
		}
		if err := a.ledgers.Delete(ctx, id); err != nil {
			return err
		}
	}
	if version == meta.Absent {
		return nil
	}
	err = a.meta.Delete(ctx, artifactKey(art.SHA256), version)
	if errors.Is(err, meta.ErrNotFound) {
		return nil
	}
	return err
}

// List implements worker.Artifacts.
func (a *artifacts) List(ctx context.Context) ([]functions.Artifact, error) {
	contents, err := a.meta.List(ctx, artifactRoot)
	if err != nil {
		return nil, err
	}
	var out []functions.Artifact
	for _, content := range contents {
		r, version, loadErr := a.load(ctx, content)
		if err = errors.Join(err, loadErr); loadErr == nil && version != meta.Absent {
			out = append(out, r.Artifact)
		}
	}
	return out, err
}
