package fault

// ledgerFaults is the ledger room's part of the table.
var ledgerFaults = []*Fault{}
