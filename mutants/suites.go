package main

import "time"

// hangs as the sign of a mutant: nothing goes on any more, and the suite's time runs out.
const hangs = "test timed out"

// suites are the tests that mutants are shown to, by name.
var suites = map[string]*suite{
	"segment-power": {
		pkg: "storage/segment", run: "^TestPowerLoss$", args: []string{"-seeds=150"},
		what: "random appends, fences and deletes; the power is cut at a random operation of the file system, pages land in any order, five lives a log",
	},
	"segment-tail": {
		pkg: "storage/segment", run: "^TestPowerLossOfTheTail$", args: []string{"-seeds=80"},
		what: "the same within one segment",
	},
	"segment-sync": {
		pkg: "storage/segment", run: "^TestFailedSyncs$", args: []string{"-seeds=100"}, timeout: 2 * time.Minute,
		what: "a sync fails at a random moment, the log is started again on what the kernel shows, and then the power is cut",
	},
	"segment-rot": {
		pkg: "storage/segment", run: "^TestRot$", args: []string{"-seeds=20"}, timeout: 2 * time.Minute,
		what: "random bytes of a log are damaged",
	},
	"segment-full": {
		pkg: "storage/segment", run: "^Test(ReserveIsNotForEntries|FullDiskKeepsWhatTellsOfADeath)$", unit: true,
		what: "the disk is full when a segment has just begun, or when the next one is a dead one's file",
	},
	"ledger-sim": {
		pkg: "storage/ledger", run: "^TestSimulation$", args: []string{"-sim.seeds=1000"}, timeout: 90 * time.Second,
		what: "a writer, bookies that die, hang, lose power and come back, metadata whose answers get lost, recoverers that die in the middle; in fake time",
	},
	"ledger-rot": {
		pkg: "storage/ledger", run: "^TestSimulationOfRot$", args: []string{"-sim.seeds=2000"},
		what: "of each acknowledged entry one good copy is left: a bookie lags and loses power, the disk of another damages and loses, somebody without the key writes; then recovery, in fake time",
	},
	"ledger-stories": {
		pkg: "storage/ledger", run: "^TestRecoveryThatDiedTellsNothing$", unit: true,
		what: "a recoverer dies when its ensemble change is in memory only, and another comes",
	},
	"metadata-power": {
		pkg: "storage/meta/local", run: "^TestPowerLoss$",
		what: "batches, sequences and large values from several goroutines, the power cut again and again",
	},
	"managed-model": {
		pkg: "storage/managed", run: "^TestModel$", args: []string{"-rapid.seed=7", "-rapid.checks=4000", "-rapid.nofailfile"},
		what: "random appends, acknowledgements, crashes, takeovers and lost answers against a model",
	},
	"topic-sim": {
		pkg: "broker/topic", run: "^TestSimulation$", args: []string{"-sim.seeds=300"}, timeout: 2 * time.Minute,
		what: "producers that send again, brokers that crash, unload, lose their session or sleep through a takeover, bookies that are slow or fail; in fake time",
	},
	"instance-chaos": {
		pkg: "runtime/instance", run: "^Test(NothingIsLostWhateverBreaks|EachResultOnce)", timeout: 20 * time.Second,
		what: "source, processor, sink and acknowledgements break at random under a function",
	},
	"postgres-kit": {
		pkg: "connectors/postgres", run: "^Test(SourceConforms|KillsUnderLoad)$", timeout: 2 * time.Minute,
		what: "the connector kit against a real Postgres: killed at every step and in every save, and kills of both under load",
	},
}
