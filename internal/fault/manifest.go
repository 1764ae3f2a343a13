package fault

// manifestFaults is the manifest room's part of the table.
var manifestFaults = []*Fault{}
