package fault

// rooms puts the rooms' tables together; a room's codes live in the file of its name.
var rooms = [][]*Fault{
	segmentFaults, bookieFaults, ledgerFaults, metaFaults, etcdFaults, managedFaults,
	brokerFaults, topicFaults, policyFaults, placementFaults, schemaFaults, adminFaults,
	functionFaults, workerFaults, postgresFaults,
	configFaults, manifestFaults, cliFaults, processFaults, clusterFaults,
}
