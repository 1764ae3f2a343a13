package wasm

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// A directory of compiled code is sealed once it is written: a digest of its names and contents lies beside them. The runtime checks the
// machine code that it reads back by a checksum of its own, but neither where functions begin in it nor the counts it allocates by: a flipped
// bit there is a jump to anywhere, and the end of the process with all its functions, each time it starts.
const sealName = "sealed"

// sealed reports whether a directory holds what it held when it was sealed, and nothing else.
func sealed(dir string) bool {
	want, err := os.ReadFile(filepath.Join(dir, sealName))
	if err != nil {
		return false
	}
	got, err := fingerprint(dir)
	return err == nil && got == string(want)
}

// seal seals a directory. Nothing is synced: what a power loss leaves of it is not sealed, and is made again.
func seal(dir string) error {
	digest, err := fingerprint(dir)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, sealName)
	if err := os.WriteFile(name+".new", []byte(digest), 0o600); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// errOddFile is the cause where a cache holds what the runtime does not put there.
var errOddFile = errors.New("not a regular file")

// fingerprint is a digest of all files below dir but the seal, in the order of their names.
func fingerprint(dir string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir(), path == filepath.Join(dir, sealName), path == filepath.Join(dir, sealName+".new"):
			return nil
		case !d.Type().IsRegular():
			return errOddFile
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		var sizes [16]byte
		binary.LittleEndian.PutUint64(sizes[:], uint64(len(name)))
		binary.LittleEndian.PutUint64(sizes[8:], uint64(info.Size()))
		sum.Write(sizes[:])
		io.WriteString(sum, name)
		_, err = io.Copy(sum, f)
		return err
	})
	return hex.EncodeToString(sum.Sum(nil)), err
}
