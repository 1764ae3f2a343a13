package fault

// brokerFaults is the broker room's part of the table.
var brokerFaults = []*Fault{}
