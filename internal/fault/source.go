package fault

// sourceFaults is the source room's part of the table.
var sourceFaults = []*Fault{}
