package fault

// bookieFaults is the bookie room's part of the table.
var bookieFaults = []*Fault{}
