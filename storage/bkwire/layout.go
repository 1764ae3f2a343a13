package bkwire

import (
	"fmt"
	"strconv"
	"strings"
)

// Layout is the value under LayoutPath: the version of this value's form, and the class that lays the ledgers' nodes out with the version
// of what it does.
const Layout = "2\norg.apache.bookkeeper.meta.HierarchicalLedgerManagerFactory:1"

// maxLayout is the largest layout that is read, in bytes.
const maxLayout = 4 << 10

// CheckLayout reports whether a value under LayoutPath is that of the layout that LedgerPath has. The error is in ErrNewer's chain when a
// later version wrote it. With another layout no ledger is where it would be looked for, and a bookie would take all it holds for deleted.
func CheckLayout(value []byte) error {
	if len(value) > maxLayout {
		return fmt.Errorf("layout of %d bytes", len(value))
	}
	form, rest, _ := strings.Cut(string(value), "\n")
	n, err := strconv.Atoi(strings.TrimSpace(form))
	switch {
	case err == nil && n > 2:
		return fmt.Errorf("layout of form %d: %w: 2 is known", n, ErrNewer)
	case err != nil || n < 1:
		return fmt.Errorf("layout of form %.20q: 2 is known", form)
	}
	class, version, _ := strings.Cut(strings.TrimSpace(rest), ":")
	v, err := strconv.Atoi(version)
	switch name := class[strings.LastIndexByte(class, '.')+1:]; {
	case name != "HierarchicalLedgerManagerFactory" && !(n == 1 && name == "hierarchical"):
		return fmt.Errorf("layout %.200q: HierarchicalLedgerManagerFactory is known", class)
	case err != nil:
		return fmt.Errorf("layout %s without a version", name)
	case v > 1:
		return fmt.Errorf("layout %s of version %d: %w: 1 is known", name, v, ErrNewer)
	}
	return nil
}
