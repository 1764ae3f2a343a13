package fault

// adminFaults is the admin room's part of the table.
var adminFaults = []*Fault{}
