package bkwire

import (
	"fmt"
	"strconv"
	"strings"
)

// maxCookie is the largest cookie that is read, in bytes.
const maxCookie = 64 << 10

// cookieVersion is the layout version that is written.
const cookieVersion = 5

// Cookie says which bookie a volume belongs to, and in which cluster (interop §4.7). The same text lies on the volume and
// in the metadata.
type Cookie struct {
	BookieID   string
	JournalDir string
	LedgerDirs []string
	InstanceID string
	IndexDirs  []string // optional
}

// Append appends the cookie's text: a line with the layout version, then protobuf's text format.
func (c *Cookie) Append(dst []byte) []byte {
	dst = append(strconv.AppendInt(dst, cookieVersion, 10), '\n')
	dst = appendTextString(dst, "", "bookieHost", c.BookieID)
	dst = appendTextString(dst, "", "journalDir", c.JournalDir)
	dst = appendTextString(dst, "", "ledgerDirs", joinDirs(c.LedgerDirs))
	if c.InstanceID != "" {
		dst = appendTextString(dst, "", "instanceId", c.InstanceID)
	}
	if len(c.IndexDirs) > 0 {
		dst = appendTextString(dst, "", "indexDirs", joinDirs(c.IndexDirs))
	}
	return dst
}

// DecodeCookie reads a cookie of layout version 4 or 5 in any valid text format. Compare parsed cookies, never bytes.
func DecodeCookie(text []byte) (Cookie, error) {
	if len(text) > maxCookie {
		return Cookie{}, fmt.Errorf("cookie of %d bytes", len(text))
	}
	line, rest, _ := strings.Cut(string(text), "\n")
	v, err := strconv.Atoi(strings.TrimSpace(line))
	switch {
	case err == nil && v > cookieVersion:
		return Cookie{}, fmt.Errorf("cookie layout version %d: %w: up to %d are known", v, ErrNewer, cookieVersion)
	case err != nil || v < 4:
		return Cookie{}, fmt.Errorf("cookie layout version %.20q: 4 and 5 are known", line)
	}
	fields, err := parseText(rest)
	if err != nil {
		return Cookie{}, fmt.Errorf("cookie: %w", err)
	}
	var c Cookie
	for _, f := range fields {
		switch f.name {
		case "bookieHost":
			c.BookieID = f.value
		case "journalDir":
			c.JournalDir = f.value
		case "ledgerDirs":
			c.LedgerDirs, err = splitDirs(f.value)
		case "instanceId":
			c.InstanceID = f.value
		case "indexDirs":
			c.IndexDirs, err = splitDirs(f.value)
		}
		if err != nil {
			return Cookie{}, fmt.Errorf("cookie %s: %w", f.name, err)
		}
	}
	if c.BookieID == "" {
		return Cookie{}, fmt.Errorf("cookie without bookieHost")
	}
	return c, nil
}

// joinDirs is a list of directories as a cookie holds it: count and names, parted by tabs.
func joinDirs(dirs []string) string {
	return strings.Join(append([]string{strconv.Itoa(len(dirs))}, dirs...), "\t")
}

func splitDirs(s string) ([]string, error) {
	parts := strings.Split(s, "\t")
	if n, err := strconv.Atoi(parts[0]); err != nil || n != len(parts)-1 {
		return nil, fmt.Errorf("a list of %d says it has %.20q", len(parts)-1, parts[0])
	}
	return parts[1:], nil
}
