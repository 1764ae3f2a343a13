package bkwire

import (
	"fmt"
	"strconv"

	"github.com/strobemq/strobe/storage/bk"
)

// Enum names of LedgerMetadataFormat in text.
var (
	stateNames  = map[string]State{"OPEN": Open, "IN_RECOVERY": InRecovery, "CLOSED": Closed}
	digestNames = map[string]bk.Digest{"CRC32": bk.DigestCRC32, "HMAC": bk.DigestMAC, "CRC32C": bk.DigestCRC32C, "DUMMY": bk.DigestDummy}
)

// decodeText reads format version 2: protobuf's text format.
func (m *Metadata) decodeText(s string) error {
	fields, err := parseText(s)
	if err != nil {
		return err
	}
	for _, f := range fields {
		var v int64
		switch f.name {
		case "quorumSize", "ensembleSize", "ackQuorumSize", "length", "lastEntryId", "ctime":
			if v, err = strconv.ParseInt(f.value, 10, 64); err != nil {
				return fmt.Errorf("%s: %.30q", f.name, f.value)
			}
		}
		switch f.name {
		case "quorumSize":
			m.Quorum.Write = int(v)
		case "ensembleSize":
			m.Quorum.Ensemble = int(v)
		case "ackQuorumSize":
			m.Quorum.Ack = int(v)
		case "length":
			m.Length = v
		case "lastEntryId":
			m.Last = v
		case "ctime":
			m.CTime = v
		case "state":
			m.State = stateNames[f.value]
		case "digestType":
			m.Digest = digestNames[f.value]
		case "password":
			m.Password, m.hasPassword = []byte(f.value), true
		case "segment":
			if len(m.Segments) == maxSegments {
				return fmt.Errorf("more than %d segments", maxSegments)
			}
			s, err := textSegment(f.msg)
			if err != nil {
				return err
			}
			m.Segments = append(m.Segments, s)
		case "customMetadata":
			var c Custom
			for _, g := range f.msg {
				switch g.name {
				case "key":
					c.Key = g.value
				case "value":
					c.Value = []byte(g.value)
				}
			}
			m.Custom = append(m.Custom, c)
		}
	}
	if m.Quorum.Ack == 0 {
		m.Quorum.Ack = m.Quorum.Write
	}
	return nil
}

func textSegment(fields []textField) (Segment, error) {
	var s Segment
	for _, f := range fields {
		switch f.name {
		case "ensembleMember":
			if len(s.Bookies) == MaxEnsemble || len(f.value) > maxBookieName {
				return s, fmt.Errorf("a segment of more than %d bookies, or a bookie id of %d bytes", MaxEnsemble, len(f.value))
			}
			s.Bookies = append(s.Bookies, f.value)
		case "firstEntryId":
			first, err := strconv.ParseInt(f.value, 10, 64)
			if err != nil {
				return s, fmt.Errorf("firstEntryId: %.30q", f.value)
			}
			s.First = first
		}
	}
	return s, nil
}

// appendText appends format version 2, for ledgers that were made in it.
func (m *Metadata) appendText(dst []byte) []byte {
	dst = appendTextInt(dst, "", "quorumSize", int64(m.Quorum.Write))
	dst = appendTextInt(dst, "", "ensembleSize", int64(m.Quorum.Ensemble))
	if m.State == Closed {
		dst = appendTextInt(dst, "", "length", m.Length)
		dst = appendTextInt(dst, "", "lastEntryId", m.Last)
	} else {
		dst = appendTextInt(dst, "", "length", 0)
	}
	dst = append(append(append(dst, "state: "...), m.State.String()...), '\n')
	for _, s := range m.Segments {
		dst = append(dst, "segment {\n"...)
		for _, b := range s.Bookies {
			dst = appendTextString(dst, "  ", "ensembleMember", b)
		}
		dst = append(appendTextInt(dst, "  ", "firstEntryId", s.First), "}\n"...)
	}
	for name, d := range digestNames {
		if d == m.Digest {
			dst = append(append(append(dst, "digestType: "...), name...), '\n')
		}
	}
	if len(m.Password) > 0 || m.hasPassword {
		dst = appendTextString(dst, "", "password", string(m.Password))
	}
	dst = appendTextInt(dst, "", "ackQuorumSize", int64(m.Quorum.Ack))
	if m.CTime != 0 {
		dst = appendTextInt(dst, "", "ctime", m.CTime)
	}
	for _, c := range m.Custom {
		dst = append(dst, "customMetadata {\n"...)
		dst = appendTextString(dst, "  ", "key", c.Key)
		dst = append(appendTextString(dst, "  ", "value", string(c.Value)), "}\n"...)
	}
	return dst
}
