package main

import (
	"math"

	"github.com/strobemq/strobe/storage/bookie"
	"github.com/strobemq/strobe/storage/bookie/server"
	"github.com/strobemq/strobe/storage/clocks"
	"github.com/strobemq/strobe/storage/ledger"
	"github.com/strobemq/strobe/storage/managed"
	"github.com/strobemq/strobe/storage/meta/local"
	"github.com/strobemq/strobe/storage/remote"
	"github.com/strobemq/strobe/storage/segment"
)

// bookieMetrics are a bookie's, before its log.
var bookieMetrics = []metric[bookie.Metrics]{
	{"strobe_bookie_queue_bytes", "Adds in flight, over all connections.", func(m *bookie.Metrics) float64 { return float64(m.QueueBytes) }},
	{"strobe_bookie_queue_limit_bytes", "How much of them one connection may have.", func(m *bookie.Metrics) float64 { return float64(m.QueueLimit) }},
	{"strobe_bookie_connections", "Connections of ledger clients.", func(m *bookie.Metrics) float64 { return float64(m.Connections) }},
	{"strobe_bookie_ledgers", "Ledgers whose keys and fences are in memory.", func(m *bookie.Metrics) float64 { return float64(m.Ledgers) }},
	{"strobe_bookie_entries_total", "Entries made durable.", func(m *bookie.Metrics) float64 { return float64(m.Entries) }},
	{"strobe_bookie_entry_bytes_total", "Bytes of entries made durable, headers included.", func(m *bookie.Metrics) float64 { return float64(m.EntryBytes) }},
	{"strobe_bookie_adds_refused_total", "Adds that failed or were not taken: fence, key, no room, read-only.", func(m *bookie.Metrics) float64 { return float64(m.Refused) }},
	{"strobe_bookie_ledgers_fenced_total", "Ledgers fenced.", func(m *bookie.Metrics) float64 { return float64(m.Fences) }},
	{"strobe_bookie_registered", "1: the bookie is registered, so that brokers find it.", func(m *bookie.Metrics) float64 { return oneIf(m.Registered) }},
	{"strobe_bookie_ledgers_collected_total", "Ledgers collected after they were deleted.", func(m *bookie.Metrics) float64 { return float64(m.Dropped) }},
}

// logMetrics are those of a bookie's log.
var logMetrics = []metric[segment.Metrics]{
	{"strobe_bookie_log_queue_bytes", "Records that wait for the log or are being written.", func(m *segment.Metrics) float64 { return float64(m.QueueBytes) }},
	{"strobe_bookie_log_queue_limit_bytes", "How much of them there may be.", func(m *segment.Metrics) float64 { return float64(m.QueueLimit) }},
	{"strobe_bookie_log_syncs_total", "Groups of records made durable, one sync each.", func(m *segment.Metrics) float64 { return float64(m.Syncs) }},
	{"strobe_bookie_log_written_bytes_total", "Bytes of groups and index blocks written.", func(m *segment.Metrics) float64 { return float64(m.WrittenBytes) }},
	{"strobe_bookie_log_ahead_bytes_total", "Zeros written over the next segment before it was needed.", func(m *segment.Metrics) float64 { return float64(m.AheadBytes) }},
	{"strobe_bookie_log_open_segments", "Segments without a footer.", func(m *segment.Metrics) float64 { return float64(m.OpenSegments) }},
	{"strobe_bookie_log_sealed_segments", "Segments with a footer, in use.", func(m *segment.Metrics) float64 { return float64(m.SealedSegments) }},
	{"strobe_bookie_log_pool_segments", "Dead segments, to be recycled.", func(m *segment.Metrics) float64 { return float64(m.PoolSegments) }},
	{"strobe_bookie_log_segments_sealed_total", "Segments that got their footer.", func(m *segment.Metrics) float64 { return float64(m.Sealed) }},
	{"strobe_bookie_log_segments_freed_total", "Segments that died: nothing in them is needed any more.", func(m *segment.Metrics) float64 { return float64(m.Freed) }},
	{"strobe_bookie_log_segments_recycled_total", "Segments begun in a file that was written before.", func(m *segment.Metrics) float64 { return float64(m.Recycled) }},
	{"strobe_bookie_log_survivors_total", "Entries appended again to free their segment.", func(m *segment.Metrics) float64 { return float64(m.Survivors) }},
	{"strobe_bookie_log_index_bytes", "Memory of the open segments' indexes, about.", func(m *segment.Metrics) float64 { return float64(m.IndexBytes) }},
	{"strobe_bookie_log_disk_free_bytes", "Free space of the log's disk; not shown when the system does not tell.", func(m *segment.Metrics) float64 {
		if m.DiskFree < 0 {
			return math.NaN()
		}
		return float64(m.DiskFree)
	}},
	{"strobe_bookie_log_damaged_ranges", "Ranges of the log set aside as damaged.", func(m *segment.Metrics) float64 { return float64(m.Damaged) }},
	{"strobe_bookie_log_limbo", "1: a part of the log was lost, and the bookie says so when it is asked.", func(m *segment.Metrics) float64 { return oneIf(m.Limbo) }},
	{"strobe_bookie_log_read_only", "1: the log takes no entries.", func(m *segment.Metrics) float64 { return oneIf(m.ReadOnly) }},
}

// serverMetrics are those of the door through which other processes reach a bookie.
var serverMetrics = []metric[server.Metrics]{
	{"strobe_bookie_server_connections", "Connections of ledger clients of other processes.", func(m *server.Metrics) float64 { return float64(m.Connections) }},
	{"strobe_bookie_server_connections_limit", "How many there may be; more are closed (STB-BOOKIE-0011).", func(m *server.Metrics) float64 { return float64(m.MaxConns) }},
	{"strobe_bookie_server_reads_waiting", "Reads that no worker has taken, those that fence included.", func(m *server.Metrics) float64 { return float64(m.WaitingReads) }},
	{"strobe_bookie_server_fences_waiting", "Reads that fence or have priority and that no worker has taken.", func(m *server.Metrics) float64 { return float64(m.WaitingFences) }},
	{"strobe_bookie_server_reads_limit", "How many reads of each of the two kinds may wait on one connection; more are answered with code 106.", func(m *server.Metrics) float64 {
		return float64(m.ReadLimit)
	}},
	{"strobe_bookie_server_output_bytes", "Bytes of answers that wait for clients to take them, over all connections.", func(m *server.Metrics) float64 {
		return float64(m.OutputBytes)
	}},
	{"strobe_bookie_server_output_limit_bytes", "How many there may be of one connection; above it the connection is closed (STB-BOOKIE-0010).", func(m *server.Metrics) float64 {
		return float64(m.OutputLimit)
	}},
	{"strobe_bookie_server_accepted_total", "Connections that came.", func(m *server.Metrics) float64 { return float64(m.Accepted) }},
	{"strobe_bookie_server_turned_away_total", "Connections closed because there were too many (STB-BOOKIE-0011).", func(m *server.Metrics) float64 { return float64(m.TurnedAway) }},
	{"strobe_bookie_server_stuck_total", "Connections closed because their client did not take its answers (STB-BOOKIE-0010).", func(m *server.Metrics) float64 {
		return float64(m.Stuck)
	}},
	{"strobe_bookie_server_bad_length_total", "Connections closed over a frame's length (STB-BOOKIE-0008).", func(m *server.Metrics) float64 { return float64(m.BadLength) }},
	{"strobe_bookie_server_bad_frame_total", "Connections closed over a frame too short for what it asked (STB-BOOKIE-0008).", func(m *server.Metrics) float64 {
		return float64(m.BadFrame)
	}},
	{"strobe_bookie_server_bad_operation_total", "Connections closed over an operation that is unknown (STB-BOOKIE-0008).", func(m *server.Metrics) float64 {
		return float64(m.BadOpcode)
	}},
	{"strobe_bookie_server_other_version_total", "Connections closed because the client spoke version 3 (STB-BOOKIE-0009).", func(m *server.Metrics) float64 {
		return float64(m.Version3)
	}},
	{"strobe_bookie_server_other_bookie_total", "Connections closed because the client looked for a bookie that was here before (STB-BOOKIE-0018).", func(m *server.Metrics) float64 {
		return float64(m.OtherID)
	}},
	{"strobe_bookie_server_read_entries_total", "Entries sent.", func(m *server.Metrics) float64 { return float64(m.ReadEntries) }},
	{"strobe_bookie_server_read_bytes_total", "Their bytes.", func(m *server.Metrics) float64 { return float64(m.ReadBytes) }},
}

// answers is how often a bookie answered with a code.
type answers struct{ Count int64 }

// answerMetrics have a series for every code that was ever answered.
var answerMetrics = []metric[answers]{
	{"strobe_bookie_server_answers_total", "Answers to requests, by code: ok, or the reason why not.", func(m *answers) float64 { return float64(m.Count) }},
}

// remoteMetrics are those of a broker's connections to bookies.
var remoteMetrics = []metric[remote.Metrics]{
	{"strobe_remote_bookies", "Bookies that were dialled and not given up.", func(m *remote.Metrics) float64 { return float64(m.Bookies) }},
	{"strobe_remote_connections", "Connections to bookies that stand, up to three to each.", func(m *remote.Metrics) float64 { return float64(m.Connections) }},
	{"strobe_remote_queue_bytes", "Adds that bookies have not answered.", func(m *remote.Metrics) float64 { return float64(m.QueueBytes) }},
	{"strobe_remote_queue_limit_bytes", "How much of them there may be for one bookie; above it the bookie counts as failed.", func(m *remote.Metrics) float64 {
		return float64(m.QueueLimit)
	}},
	{"strobe_remote_dials_total", "Attempts to connect.", func(m *remote.Metrics) float64 { return float64(m.Dials) }},
	{"strobe_remote_dials_failed_total", "Attempts in vain.", func(m *remote.Metrics) float64 { return float64(m.DialsFailed) }},
	{"strobe_remote_hung_total", "Connections given up because the bookie owed answers and sent nothing (STB-LEDGER-0008).", func(m *remote.Metrics) float64 { return float64(m.Hung) }},
	{"strobe_remote_broken_total", "Connections given up because what the bookie sent was no answer (STB-LEDGER-0009).", func(m *remote.Metrics) float64 { return float64(m.Broken) }},
	{"strobe_remote_turned_away_total", "Adds and reads not sent because too much was on its way.", func(m *remote.Metrics) float64 { return float64(m.TooMany) }},
	{"strobe_remote_unbatched_total", "Batched reads that were read one by one instead: the bookie is older than 4.17.", func(m *remote.Metrics) float64 { return float64(m.NoBatch) }},
}

// clockMetrics are those of the clocks of a cluster.
var clockMetrics = []metric[clocks.Metrics]{
	{"strobe_clocks_heard", "Other processes whose clocks are known.", func(m *clocks.Metrics) float64 { return float64(m.Heard) }},
	{"strobe_clocks_skew_seconds", "Between this process's clock and the one furthest from it; above 10 it is logged (STB-CLUSTER-0007).", func(m *clocks.Metrics) float64 { return m.Skew }},
	{"strobe_clocks_ahead_seconds", "By how much this process's clock is held to be ahead: retention by time ends that much later here.", func(m *clocks.Metrics) float64 { return m.Ahead }},
}

// ledgerMetrics are the ledger client's.
var ledgerMetrics = []metric[ledger.Metrics]{
	{"strobe_ledger_writers", "Ledgers open for writing.", func(m *ledger.Metrics) float64 { return float64(m.Writers) }},
	{"strobe_ledger_bookies_quarantined", "Bookies that failed lately, avoided where there are others.", func(m *ledger.Metrics) float64 { return float64(m.Quarantined) }},
	{"strobe_ledger_marks_waiting", "Under-replication marks to be written.", func(m *ledger.Metrics) float64 { return float64(m.WaitingMarks) }},
	{"strobe_ledger_marks_limit", "How many marks may wait; more are dropped.", func(m *ledger.Metrics) float64 { return float64(m.MarkLimit) }},
	{"strobe_ledger_created_total", "Ledgers made.", func(m *ledger.Metrics) float64 { return float64(m.Created) }},
	{"strobe_ledger_recoveries_total", "Ledgers recovered.", func(m *ledger.Metrics) float64 { return float64(m.Recoveries) }},
	{"strobe_ledger_ensemble_changes_total", "Ensembles changed.", func(m *ledger.Metrics) float64 { return float64(m.Changes) }},
	{"strobe_ledger_bookie_failures_total", "Bookies taken out of a ledger.", func(m *ledger.Metrics) float64 { return float64(m.Failures) }},
	{"strobe_ledger_read_fallbacks_total", "Reads for which the first replica was no good.", func(m *ledger.Metrics) float64 { return float64(m.Fallbacks) }},
	{"strobe_ledger_writers_fenced_total", "Writers that were fenced: another owner recovered their ledger.", func(m *ledger.Metrics) float64 { return float64(m.Fenced) }},
}

// managedMetrics are those of managed ledgers, their cursors and their cache.
var managedMetrics = []metric[managed.Metrics]{
	{"strobe_managed_open_ledgers", "Managed ledgers that are open: about one for each topic that is loaded.", func(m *managed.Metrics) float64 { return float64(m.Open) }},
	{"strobe_managed_ledgers_created_total", "Ledgers begun, those of cursors included.", func(m *managed.Metrics) float64 { return float64(m.LedgersCreated) }},
	{"strobe_managed_ledgers_recovered_total", "Ledgers that ended early and whose end had to be found.", func(m *managed.Metrics) float64 { return float64(m.Recovered) }},
	{"strobe_managed_ledgers_trimmed_total", "Ledgers deleted because they were consumed, or empty.", func(m *managed.Metrics) float64 { return float64(m.LedgersTrimmed) }},
	{"strobe_managed_fenced_total", "Managed ledgers that another owner took.", func(m *managed.Metrics) float64 { return float64(m.Fenced) }},
	{"strobe_managed_node_writes_total", "Writes of metadata nodes.", func(m *managed.Metrics) float64 { return float64(m.NodeWrites) }},
	{"strobe_managed_cursor_writes_total", "Cursor positions handed to writing.", func(m *managed.Metrics) float64 { return float64(m.CursorWrites) }},
	{"strobe_managed_cursors_waiting", "Cursors that wait for their turn to be written.", func(m *managed.Metrics) float64 { return float64(m.CursorsWaiting) }},
	{"strobe_managed_cursor_writes_limit_per_second", "Positions that may be written a second.", func(m *managed.Metrics) float64 { return float64(m.CursorBudget) }},
	{"strobe_managed_cache_limit_bytes", "What the cache of entries may hold.", func(m *managed.Metrics) float64 { return float64(m.CacheLimit) }},
	{"strobe_managed_cache_bytes", "What it holds, its index included.", func(m *managed.Metrics) float64 { return float64(m.Cache.Bytes) }},
	{"strobe_managed_cache_hits_total", "Reads that found their first entry in the cache.", func(m *managed.Metrics) float64 { return float64(m.Cache.Hits) }},
	{"strobe_managed_cache_misses_total", "Reads that did not.", func(m *managed.Metrics) float64 { return float64(m.Cache.Misses) }},
}

// metaMetrics are those of the metadata store.
var metaMetrics = []metric[local.Stats]{
	{"strobe_meta_commits_total", "Changes made durable; a batch counts once.", func(m *local.Stats) float64 { return float64(m.Commits) }},
	{"strobe_meta_log_bytes", "What of the write-ahead log is not yet in tables.", func(m *local.Stats) float64 { return float64(m.LogBytes) }},
	{"strobe_meta_table_bytes", "Tables on disk.", func(m *local.Stats) float64 { return float64(m.TableBytes) }},
	{"strobe_meta_unsorted_tables", "Tables not yet merged with others; many make reads slow.", func(m *local.Stats) float64 { return float64(m.Unsorted) }},
	{"strobe_meta_memtable_bytes", "Memory of what is not yet in tables.", func(m *local.Stats) float64 { return float64(m.MemtableBytes) }},
	{"strobe_meta_cache_bytes", "Memory of the block cache.", func(m *local.Stats) float64 { return float64(m.CacheBytes) }},
	{"strobe_meta_ephemerals", "Ephemeral values.", func(m *local.Stats) float64 { return float64(m.Ephemerals) }},
	{"strobe_meta_sessions", "Sessions.", func(m *local.Stats) float64 { return float64(m.Sessions) }},
	{"strobe_meta_watches", "Watches.", func(m *local.Stats) float64 { return float64(m.Watches) }},
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
