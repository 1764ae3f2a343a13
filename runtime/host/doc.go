// Package host is the child process that holds guests and connectors, and the parent's side of it.
//
// A guest that computes without a pause stops every goroutine of its process, so guests run in a process of their own
// (`strobe host`), started with the first deployment. Parent and child share one socket pair, given to the child as file
// descriptor 3. Nothing else binds the child's life: when the parent is gone, by any death and on any system, the socket
// ends and the child leaves at once. Over the socket run the calls of control.go; data never does, it goes over the Pulsar
// protocol.
package host
