package bkwire

import (
	"fmt"
	"strconv"
)

// maxUnderreplication is the largest under-replication mark that is read, in bytes.
const maxUnderreplication = 64 << 10

// Underreplication is the mark under UnderreplicationPath: the ledger misses entries on these bookies.
type Underreplication struct {
	Replicas []string
	CTime    int64 // milliseconds since 1970; 0: not stored
}

// Append appends the mark's text.
func (u *Underreplication) Append(dst []byte) []byte {
	for _, r := range u.Replicas {
		dst = appendTextString(dst, "", "replica", r)
	}
	if u.CTime != 0 {
		dst = appendTextInt(dst, "", "ctime", u.CTime)
	}
	return dst
}

// DecodeUnderreplication reads such a mark.
func DecodeUnderreplication(text []byte) (Underreplication, error) {
	if len(text) > maxUnderreplication {
		return Underreplication{}, fmt.Errorf("under-replication mark of %d bytes", len(text))
	}
	fields, err := parseText(string(text))
	if err != nil {
		return Underreplication{}, fmt.Errorf("under-replication mark: %w", err)
	}
	var u Underreplication
	for _, f := range fields {
		switch f.name {
		case "replica":
			u.Replicas = append(u.Replicas, f.value)
		case "ctime":
			if u.CTime, err = strconv.ParseInt(f.value, 10, 64); err != nil {
				return Underreplication{}, fmt.Errorf("under-replication mark: ctime %.20q", f.value)
			}
		}
	}
	return u, nil
}

// Merge adds replica and reports whether it was not there yet.
func (u *Underreplication) Merge(replica string) bool {
	for _, r := range u.Replicas {
		if r == replica {
			return false
		}
	}
	u.Replicas = append(u.Replicas, replica)
	return true
}
