// Package wire is the Pulsar binary protocol, version 21: frames, commands, message metadata, batches, checksums. It does no I/O,
// starts nothing and imports nothing of this module, and is the one package under broker/ that a client may import.
//
// The commands of the hot path and the metadata of entries are coded by hand, and neither decoding nor encoding them allocates; a
// decoded value's byte slices point into the bytes it was decoded from. All other commands are the generated messages of wire/pb,
// see DecodeBody and AppendCommand.
//
// Nothing here trusts a length: what does not fit is an error before anything is allocated.
package wire

//go:generate ./generate.sh

// ProtocolVersion is the highest protocol version spoken here.
const ProtocolVersion = 21
