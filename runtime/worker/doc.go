// Package worker keeps the desired state of functions and sources in the metadata store, serves it over Pulsar's REST v3 paths,
// and makes the world look like it: one reconciler starts, stops and restarts instances through a functions.Launcher.
//
// Keys:
//
//	/strobe/functions/<tenant>/<namespace>/<name>                      functions.Spec as JSON (docs/format/functions.md)
//	/strobe/sources/<tenant>/<namespace>/<name>                        functions.Spec as JSON
//	/strobe/checkpoints/<kind>/<tenant>/<namespace>/<name>/<instance>  the position of an instance, opaque
package worker
