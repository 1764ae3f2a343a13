package main

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/strobemq/strobe/"

// mayImport says which packages of this module a room may import: a trailing slash takes everything below. Rooms not
// listed may import nothing but internal/fault. Storage never knows the broker; the broker never knows the runtime; the runtime talks to
// the broker through broker/wire.
var mayImport = map[string][]string{
	"storage/bk":                       {},
	"storage/vfs":                      {},
	"storage/vfs/":                     {"storage/vfs"},
	"storage/quorum":                   {"storage/bk"},
	"storage/bkwire":                   {"storage/bk"},
	"storage/meta":                     {"storage/bk"},
	"storage/meta/":                    {"storage/bk", "storage/meta"},
	"storage/segment":                  {"storage/bk", "storage/vfs/", "storage/vfs"},
	"storage/bookie":                   {"storage/bk", "storage/bkwire", "storage/meta", "storage/segment", "storage/vfs"}, // the last two in options.go and its disk alone
	"storage/bookie/server":            {"storage/bk", "storage/bkwire", "storage/bookie", "storage/frames"},
	"storage/frames":                   {"storage/bk", "storage/bkwire"},
	"storage/remote":                   {"storage/bk", "storage/bkwire", "storage/frames", "storage/ledger"},
	"storage/ledger":                   {"storage/bk", "storage/bkwire", "storage/quorum", "storage/meta"},
	"storage/clocks":                   {"storage/meta"},
	"storage/managed":                  {"storage/bk", "storage/meta"},
	"storage/storagetest":              {"storage/"},
	"storage/sim":                      {"storage/"},
	"broker/wire":                      {"broker/wire/pb"},
	"broker/wire/pb":                   {},
	"broker/topicname":                 {"storage/meta"}, // how a name is encoded in a key
	"broker/subscription":              {"broker/wire", "broker/wire/pb", "storage/bk", "storage/managed"},
	"broker/topic":                     {"broker/wire", "broker/wire/pb", "broker/subscription", "broker/topicname", "storage/bk", "storage/managed"},
	"broker/server":                    {"broker/wire", "broker/wire/pb", "broker/topic", "broker/subscription", "broker/topicname", "storage/bk", "storage/frames"},
	"broker/policy":                    {"broker/topicname", "storage/meta"},
	"broker/placement":                 {"broker/topicname", "storage/meta"},
	"broker/schema":                    {"broker/topicname", "storage/bk", "storage/meta"},
	"broker/auth":                      {},
	"broker/admin":                     {"broker/", "storage/bk"},
	"broker/brokertest":                {"broker/", "storage/"},
	"connectors":                       {},
	"connectors/connectortest":         {"connectors"},
	"connectors/postgres":              {"connectors"},
	"connectors/postgres/postgrestest": {},
	"connectors/all":                   {"connectors", "connectors/"},
	"functions-sdk/abi":                {},
	"functions-sdk/archive":            {},
	"runtime/functions":                {},
	"runtime/topicio":                  {"connectors", "broker/wire", "broker/wire/pb"},
	"runtime/instance":                 {"connectors", "runtime/functions"},
	"runtime/wasm":                     {"connectors", "functions-sdk/abi", "runtime/wasm/fuel"},
	"runtime/wasm/fuel":                {},
	"runtime/host":                     {"connectors", "runtime/functions", "runtime/instance", "runtime/topicio", "runtime/wasm"},
	"runtime/worker":                   {"connectors", "runtime/functions", "runtime/topicio", "storage/meta"},
	"internal/config":                  {},
	"internal/manifest":                {"runtime/functions"},
	"internal/cli":                     {"broker/wire", "connectors", "functions-sdk/archive", "internal/", "runtime/functions", "runtime/topicio"},
	"cmd/strobe":                       {"broker/", "connectors", "connectors/", "functions-sdk/archive", "internal/", "runtime/", "storage/"},
	"internal/product":                 {"storage/meta/etcd/etcdtest"},
	"examples/":                        {"connectors/postgres/postgrestest", "internal/product"},
	"bench":                            {"bench/", "internal/product", "broker/wire", "broker/wire/pb", "connectors/postgres/postgrestest", "functions-sdk/", "runtime/topicio", "runtime/wasm", "connectors"},
	"bench/":                           {"internal/product", "broker/wire", "broker/wire/pb", "connectors/postgres/postgrestest", "functions-sdk/", "runtime/topicio", "runtime/wasm", "connectors", "bench/"},
	"compat":                           {"internal/product"},
	"mutants":                          {},
	"crash":                            {"bench/load", "broker/wire", "broker/wire/pb", "connectors/postgres/postgrestest", "internal/product", "storage/meta/etcd/etcdtest"},
	"deploy":                           {}, // tests only
}

// vendorSDKs may be linked only by the rooms that need them.
var vendorSDKs = map[string][]string{
	"github.com/tetratelabs/wazero":      {"runtime/wasm", "runtime/host", "cmd/strobe", "bench", "bench/"},
	"github.com/jackc/":                  {"connectors/postgres", "connectors/all", "cmd/strobe", "examples/", "bench", "bench/", "crash"},
	"github.com/apache/pulsar-client-go": {"examples/", "bench", "crash"},
	"go.etcd.io/":                        {"storage/meta/etcd", "cmd/strobe"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var list []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// room finds the entry of a table for a package: its own, or that of the nearest directory above.
func room[V any](table map[string]V, path string) (V, bool) {
	if v, ok := table[path]; ok {
		return v, true
	}
	for p := path; p != ""; {
		i := strings.LastIndex(p, "/")
		if i < 0 {
			break
		}
		p = p[:i]
		if v, ok := table[p+"/"]; ok {
			return v, true
		}
	}
	var none V
	return none, false
}

func covers(list []string, path string) bool {
	for _, a := range list {
		if a == path || strings.HasSuffix(a, "/") && strings.HasPrefix(path+"/", a) {
			return true
		}
	}
	return false
}

func TestRoomsImportOneWay(t *testing.T) {
	for _, p := range listPackages(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		allowed, listed := room(mayImport, from)
		if !listed && from != "internal/fault" {
			t.Errorf("%s is a room that is not in the table of imports", from)
		}
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			if ours && to != "internal/fault" && !covers(allowed, to) {
				t.Errorf("%s may not import %s", from, to)
			}
			for sdk, rooms := range vendorSDKs {
				if strings.HasPrefix(imp, sdk) && !covers(rooms, from) && !strings.HasPrefix(from, rooms[0]) {
					t.Errorf("%s may not import %s", from, imp)
				}
			}
		}
	}
}
