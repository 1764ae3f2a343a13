# Strobe. `make` lists the targets.

BIN      := bin/strobe
VERSION  := $(shell cat VERSION)
LDFLAGS  := -s -w -X main.version=$(VERSION)
# The race detector needs a C compiler; the product never does.
RACE     := $(shell command -v cc >/dev/null 2>&1 && echo -race)
NESTED   := $(patsubst %/go.mod,%,$(shell find . -name go.mod -mindepth 2 -not -path './.cache/*' -not -path '*/testdata/*'))
FUZZTIME ?= 60s
SEEDS    ?= 5000

.DEFAULT_GOAL := help
.PHONY: help build demo test check fuzz bench bench-peers compat sim mutants cluster crash faults dist generate clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/strobe
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/strobe

demo: build ## Postgres rows -> WASM function -> Pulsar client, with one kill -9 on the way
	go run ./examples/outbox -strobe $(BIN)

test: build ## every test, with the race detector where a C compiler is; fetches a Postgres of its own
	@# The etcd of the tests is compiled once, and not while other tests run.
	go test -timeout 20m -run TestRestart ./storage/meta/etcd/etcdtest
	CGO_ENABLED=$(if $(RACE),1,0) go test $(RACE) -timeout 20m ./...
	@# The stock client's reconnecting producers race with themselves; what needs them runs without the detector.
	CGO_ENABLED=0 go test -timeout 10m -run 'StockClient|ReceiptsHold' ./broker/brokertest ./broker/server ./cmd/strobe ./crash
	@for m in $(NESTED); do echo "go test $$m"; (cd $$m && go test ./...) || exit 1; done

check: ## formatting, vet, staticcheck, generated files fresh, modules tidy, all platforms compile
	@files=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$files" || { echo "gofmt -w $$files"; exit 1; }
	go vet ./...
	go tool -modfile=tools/go.mod staticcheck ./...
	go mod tidy -diff
	@$(MAKE) --no-print-directory dist DISTFLAGS='-o /dev/null'

fuzz: ## every decoder for FUZZTIME (default 60s) each
	cd tools && go run ./fuzzall -time $(FUZZTIME)

bench: build ## the table of docs/benchmarks.md: ratios against floor probes in the same run
	go run ./bench -strobe $(BIN) -out docs/benchmarks.md

bench-peers: build ## beside Apache Pulsar and Debezium, into docs/benchmarks-peers.md; PEERS=DIR has their scripts (bench/README.md)
	@test -n "$(PEERS)" || { echo "make bench-peers PEERS=DIR"; exit 1; }
	go run ./bench peers -strobe $(BIN) -peers $(PEERS) -out docs/benchmarks-peers.md

compat: build ## pulsar-client-go's own tests against a fresh standalone, three rounds
	go run ./compat -strobe $(BIN)

mutants: ## plant one mistake at a time: each must be found by a fault suite; the table of docs/reliability.md
	go run ./mutants -out docs/reliability.md

sim: ## SEEDS (default 5000) random histories of partitions, power losses and take-overs, in fake time; judged, with a table
	CGO_ENABLED=0 go test ./storage/sim -count=1 -timeout 120m -v -run TestSchedules -sim.seeds $(SEEDS)

cluster: build ## one etcd, three bookies and a broker, each a process, from examples/cluster/strobe.yaml
	go run ./examples/cluster -strobe $(BIN)

crash: build ## 200 rounds of kill -9 of every kind of process under load, judged by the clients' receipts ; CRASH='-rounds 20'
	go run ./crash -strobe $(BIN) -out docs/reliability.md $(CRASH)

faults: build ## bookies, disks, etcd and brokers lost under a steady load, measured; FAULTS='-away 10m -only etcd'
	go run ./crash -strobe $(BIN) -faults -out docs/reliability.md $(FAULTS)

dist: ## compile for linux and darwin, amd64 and arm64, into dist/
	@for p in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64; do \
	  echo "dist $$p"; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -ldflags '$(LDFLAGS)' \
	    $(if $(DISTFLAGS),$(DISTFLAGS),-o dist/strobe-$${p%/*}-$${p#*/}) ./cmd/strobe || exit 1; done

generate: ## write generated files again
	go generate ./...

clean: ## remove what the targets made
	rm -rf bin dist .cache
