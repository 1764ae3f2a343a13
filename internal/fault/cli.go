package fault

// cliFaults is the cli room's part of the table.
var cliFaults = []*Fault{}
