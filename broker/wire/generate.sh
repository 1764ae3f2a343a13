#!/bin/sh
# Writes broker/wire/pb/wire.pb.go from wire.proto. Needs protoc 3.21 or newer; protoc-gen-go is built at the version go.mod pins.
set -eu
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
GOBIN=$bin go install google.golang.org/protobuf/cmd/protoc-gen-go@"$(go list -m -f '{{.Version}}' google.golang.org/protobuf)"
PATH=$bin:$PATH protoc --proto_path=. --go_out=. --go_opt=paths=source_relative pb/wire.proto
