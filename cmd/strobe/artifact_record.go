package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/strobemq/strobe/internal/fault"
	"github.com/strobemq/strobe/runtime/functions"
	"github.com/strobemq/strobe/storage/bkwire"
	"github.com/strobemq/strobe/storage/meta"
)

const (
	artifactRoot = "/strobe/artifacts"
	// uploadProperty is the custom metadata of a module's ledger that says which upload made it.
	uploadProperty = "strobe/upload"
	// noLedger stands in a record whose ledger is not known.
	noLedger = -1
	// maxRecord is far above the largest record.
	maxRecord = 4 << 10
)

func artifactKey(sha256 string) string { return artifactRoot + "/" + sha256 }

// artifactState is how far a module has come.
type artifactState string

const (
	artifactUploading artifactState = "uploading" // the ledger is missing, or not whole
	artifactWhole     artifactState = ""
	artifactDeleting  artifactState = "deleting"
)

// artifactRecord is the value under /strobe/artifacts/<sha256> (docs/format/functions.md).
type artifactRecord struct {
	functions.Artifact
	State  artifactState `json:"state,omitempty"`
	Upload string        `json:"upload,omitempty"` // while uploading: what the ledger is known by until its number is noted
}

func decodeArtifact(sha256 string, data []byte) (artifactRecord, error) {
	var r artifactRecord
	if len(data) > maxRecord {
		return r, fmt.Errorf("record of module %s: %d bytes", sha256, len(data))
	}
	if f := functions.RecordFormatOf(data); f > functions.RecordFormat {
		return r, fault.WorkerFormat.New("record of module %s: format %d, up to %d are known", sha256, f, functions.RecordFormat)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("record of module %s: %w", sha256, err)
	}
	known := r.State == artifactWhole || r.State == artifactUploading || r.State == artifactDeleting
	if !known || r.SHA256 != sha256 || r.Size < 0 || r.Ledger < noLedger || r.Ledger == noLedger && (r.State == artifactWhole || r.Upload == "") {
		return r, fmt.Errorf("record of module %s: %.300q makes no sense", sha256, data)
	}
	return r, nil
}

// load reads a record; its version is meta.Absent when there is none.
func (a *artifacts) load(ctx context.Context, sha256 string) (artifactRecord, meta.Version, error) {
	v, err := a.meta.Get(ctx, artifactKey(sha256))
	if errors.Is(err, meta.ErrNotFound) {
		return artifactRecord{Artifact: functions.Artifact{SHA256: sha256, Ledger: noLedger}}, meta.Absent, nil
	}
	if err != nil {
		return artifactRecord{}, 0, err
	}
	r, err := decodeArtifact(sha256, v.Data)
	return r, v.Version, err
}

func (a *artifacts) save(ctx context.Context, r artifactRecord, expect meta.Version) (meta.Version, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	return a.meta.Put(ctx, artifactKey(r.SHA256), text, expect)
}

// uploadedAs looks through all ledgers for those that an upload made. It is needed only after a crash in the moment between making a ledger and
// noting its number.
func (a *artifacts) uploadedAs(ctx context.Context, upload string) ([]int64, error) {
	var found []int64
	var walk func(key string) error
	walk = func(key string) error {
		names, err := a.meta.List(ctx, key)
		if err != nil {
			return err
		}
		for _, name := range names {
			child := key + "/" + name
			if strings.Trim(name, "0123456789") == "" { // a level of the tree of ledgers
				if err := walk(child); err != nil {
					return err
				}
				continue
			}
			id, ok := bkwire.ParseLedgerPath(child)
			if !ok {
				continue
			}
			v, err := a.meta.Get(ctx, child)
			if errors.Is(err, meta.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if md, err := bkwire.DecodeMetadata(v.Data); err == nil && madeBy(md, upload) {
				found = append(found, id)
			}
		}
		return nil
	}
	return found, walk(bkwire.Root)
}

func madeBy(md *bkwire.Metadata, upload string) bool {
	for _, c := range md.Custom {
		if c.Key == uploadProperty {
			return string(c.Value) == upload
		}
	}
	return false
}
