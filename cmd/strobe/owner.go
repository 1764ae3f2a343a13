package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/strobemq/strobe/internal/fault"
)

// ownerFile tells people which process has the data directory; the lock itself is in the metadata store.
const ownerFile = "owner"

// own says that this process has the directory.
func own(data string) error {
	text := fmt.Sprintf("process %d since %s\n", os.Getpid(), time.Now().Format(time.RFC3339))
	if err := os.WriteFile(filepath.Join(data, ownerFile), []byte(text), 0o644); err != nil {
		return fault.ProcessDataDir.New("%w", err)
	}
	return nil
}

// owner is who has the directory, as the end of a sentence.
func owner(data string) string {
	text, err := os.ReadFile(filepath.Join(data, ownerFile))
	if err != nil {
		return ""
	}
	return " is used by " + strings.TrimSpace(string(text))
}
