package fault

// processFaults is the process room's part of the table.
var processFaults = []*Fault{}
