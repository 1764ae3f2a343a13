package fault

// segmentFaults is the segment room's part of the table.
var segmentFaults = []*Fault{}
