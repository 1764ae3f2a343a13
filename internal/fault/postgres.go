package fault

// postgresFaults is the postgres room's part of the table.
var postgresFaults = []*Fault{}
