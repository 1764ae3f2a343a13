package fault

// managedFaults is the managed room's part of the table.
var managedFaults = []*Fault{}
