// Package segment is the store of a bookie: one log in files that is the journal and, at the same time, the
// place from which entries are read.
//
// Life of a record: Append puts it in a queue bounded by bytes. The writing goroutine drains the queue, writes what it got as
// one group, syncs the file once, and hands the group to the completing goroutine, which enters the places of the records
// into the segment's index and calls each Done once. Nothing waits for a timer: while a sync runs, the next group gathers.
//
// A full segment is sealed: a footer lists, ledger by ledger, where the entries lie. What the log knows of ledgers (master
// key, fence, explicit LAC, in which segments its entries are) goes to a table in Pebble when a segment is sealed; what
// came after that is in the memory of the unsealed segments, rebuilt at a start from their index blocks and last groups.
//
// The bytes are described in docs/format/segment.md and beside their encoders: header.go, group.go, record.go,
// index_block.go, footer.go, run.go.
package segment
