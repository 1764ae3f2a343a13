package fault

// metaFaults is the meta room's part of the table.
var metaFaults = []*Fault{}
