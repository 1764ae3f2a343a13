package postgres

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/jackc/pglogrepl"
)

// checkpoint is what the source keeps between two runs, in connectors.Checkpoints; docs/format/checkpoint.md shows it.
//
// It says: of system and timeline, through slot, everything before LSN is done for good, and the last row before it had the
// number Sequence. Row n after LSN has the number Sequence+n, whatever topic it goes to, as long as the shape is the same. It is durable
// before LSN is confirmed to Postgres.
type checkpoint struct {
	System   string // system identifier of the server
	Timeline int32
	Slot     string
	LSN      pglogrepl.LSN
	Sequence uint64
	// Drained says that no row after LSN was ever handed on. Only then may another shape take over.
	Drained bool
	Shape   shape
}

// checkpointJSON is the form on disk. Positions are texts as Postgres and people write them, numbers of 64 bits are texts because not every
// JSON reader keeps them whole.
type checkpointJSON struct {
	Version  int    `json:"version"`
	System   string `json:"system"`
	Timeline int32  `json:"timeline"`
	Slot     string `json:"slot"`
	LSN      string `json:"lsn"`
	Sequence uint64 `json:"sequence,string"`
	Drained  bool   `json:"drained"`
	Shape    shape  `json:"shape"`
}

const (
	checkpointVersion = 1
	// maxCheckpoint is far above what names of 63 bytes and 1600 columns can make.
	maxCheckpoint = 1 << 20
)

var lsnForm = regexp.MustCompile(`^[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}$`)

// parseLSN reads a position such as 16/B374D848, and nothing around it.
func parseLSN(text string) (pglogrepl.LSN, error) {
	if !lsnForm.MatchString(text) {
		return 0, fmt.Errorf("%.40q is not a position", text)
	}
	return pglogrepl.ParseLSN(text)
}

var errNewerCheckpoint = errors.New("written by a newer version")

func (c checkpoint) encode() ([]byte, error) {
	return json.Marshal(checkpointJSON{Version: checkpointVersion, System: c.System, Timeline: c.Timeline, Slot: c.Slot, LSN: c.LSN.String(),
		Sequence: c.Sequence, Drained: c.Drained, Shape: c.Shape})
}

// decodeCheckpoint reads what encode wrote; a checkpoint that does not make sense is an error.
func decodeCheckpoint(data []byte) (checkpoint, error) {
	if len(data) > maxCheckpoint {
		return checkpoint{}, fmt.Errorf("%d bytes", len(data))
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(data, &version); err != nil {
		return checkpoint{}, err
	}
	if version.Version > checkpointVersion {
		return checkpoint{}, fmt.Errorf("version %d: %w", version.Version, errNewerCheckpoint)
	}
	var c checkpointJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return checkpoint{}, err
	}
	if _, err := d.Token(); err != io.EOF {
		return checkpoint{}, errors.New("more than one value")
	}
	lsn, err := parseLSN(c.LSN)
	if err != nil {
		return checkpoint{}, err
	}
	if c.Version < 1 || c.System == "" || c.Timeline < 1 || c.Slot == "" || lsn == 0 || c.Sequence == 0 || c.Shape.Table.Name == "" || c.Shape.Topic == "" {
		return checkpoint{}, errors.New("a field is missing")
	}
	return checkpoint{System: c.System, Timeline: c.Timeline, Slot: c.Slot, LSN: lsn, Sequence: c.Sequence, Drained: c.Drained, Shape: c.Shape}, nil
}
