package fault

// functionFaults is the function room's part of the table.
var functionFaults = []*Fault{}
