package fault

// configFaults is the config room's part of the table.
var configFaults = []*Fault{}
