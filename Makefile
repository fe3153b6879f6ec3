# A thin front for CMake and the scripts in ci/. `make help` shows what is behind each ##.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory

# Parameters: make run-memory PORT=8080
ID      ?= 1
CLUSTER ?= http://127.0.0.1:12379
PORT    ?= 12380
JOBS    ?= $(shell nproc)
SEEDS   ?= 200
TIME    ?=
TRIALS  ?= 30
MINUTES ?= 30
KEYS    ?= 1000000
PREFIX  ?= /usr/local
DESTDIR ?=

BUILD := build/release
BIN   := $(BUILD)/metastore

.PHONY: help build html-test run-memory run-rocksdb cluster-memory cluster-rocksdb status stop-cluster test sim \
        enumerate nightly determinism mutants fuzz fuzz-corpus bench failover calm startup snapshot-cost watch-cost lease-cost clean install deps-build \
        deps-test configure

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "parameters, name=value: ID CLUSTER PORT (run-*), SEEDS (sim)," \
	  "TIME in seconds (fuzz, bench, snapshot-cost)," \
	  "TRIALS (failover), MINUTES (calm), KEYS (startup, snapshot-cost), PREFIX DESTDIR (install), JOBS"

build: configure ## build the daemon and the library into build/release (default)
	@cmake --build $(BUILD) -j $(JOBS) --target metastore metastore_shared metastore_static completions
	@ln -sfn release/metastore build/metastore
	@ln -sfn release/metastore build/metaStore

run-memory: build ## one member in the foreground, memory engine: ID CLUSTER PORT
	@mkdir -p build/run-memory
	@exec $(BIN) --id $(ID) --cluster $(CLUSTER) --port $(PORT) --storage memory --data-dir build/run-memory

run-rocksdb: build ## the same with the rocksdb engine
	@mkdir -p build/run-rocksdb/data
	@exec $(BIN) --id $(ID) --cluster $(CLUSTER) --port $(PORT) --storage rocksdb --data-dir build/run-rocksdb

cluster-memory: build ## three members in the background, memory engine; logs under build/cluster-memory
	@ci/cluster start memory $(BIN)

cluster-rocksdb: build ## the same with the rocksdb engine, under build/cluster-rocksdb
	@ci/cluster start rocksdb $(BIN)

status: ## what the three members say about themselves
	@ci/cluster status

stop-cluster: ## end the members that cluster-* has started
	@ci/cluster stop

test: deps-test ## all checks of ci/check: what CI runs
	@ci/check

sim: deps-test configure ## SEEDS random runs of a whole simulated cluster, each twice
	@cmake --build $(BUILD) -j $(JOBS) --target sim
	@ln -sfn release/sim build/sim
	@$(BUILD)/sim --seeds=$(SEEDS)

html-test: deps-test configure ## the page of a simulated run (sim --html) in a headless Chromium, if there is one
	@cmake --build $(BUILD) -j $(JOBS) --target sim
	@ci/html-test $(BUILD)/sim

enumerate: deps-test configure ## a power cut at every operation of the disks of SEEDS (1) small runs
	@cmake --build $(BUILD) -j $(JOBS) --target sim
	@$(BUILD)/sim --enumerate --seeds=$(if $(filter file,$(origin SEEDS)),1,$(SEEDS))

nightly: deps-test configure ## SEEDS (100000) runs over all engines, in batches on all processors
	@cmake --build $(BUILD) -j $(JOBS) --target sim
	@ci/nightly --jobs $(JOBS) --seeds $(if $(filter file,$(origin SEEDS)),100000,$(SEEDS))

determinism: deps-test ## the same hashes of SEEDS (20) runs from gcc, clang, -O0, -O3, debug, any addresses
	@ci/determinism --seeds $(if $(filter file,$(origin SEEDS)),20,$(SEEDS))

mutants: deps-test ## plant bugs, one at a time, and show which checker of the simulator finds each
	@ci/mutants

fuzz: deps-test ## each fuzz harness under AFL++ for TIME seconds (30)
	@ci/fuzz $(or $(TIME),30)

fuzz-corpus: deps-test configure ## write the first inputs of each fuzz harness anew
	@cmake --build $(BUILD) -j $(JOBS) --target fuzz-corpus

bench: deps-test configure ## speed of a real cluster over HTTP and of the simulator
	@cmake --build $(BUILD) -j $(JOBS) --target metastore sim benches
	@ci/bench $(BUILD) $(or $(TIME),3)

failover: deps-test build ## how long writes stop when the leader goes: TRIALS for each way and engine
	@ci/failover $(BIN) --trials $(TRIALS)

calm: deps-test build ## no election without need: MINUTES idle and MINUTES at full load, each engine
	@cmake --build $(BUILD) -j $(JOBS) --target bench_http
	@ci/calm $(BUILD)/bench_http $(BIN) --minutes $(MINUTES)

startup: deps-test build ## how long a start takes and what a key costs: KEYS, both engines
	@cmake --build $(BUILD) -j $(JOBS) --target bench_http
	@ci/startup $(BUILD)/bench_http $(BIN) --keys $(KEYS) --storages memory,rocksdb

snapshot-cost: deps-test build ## p99 of writes beside a snapshot, and without one: KEYS, TIME
	@cmake --build $(BUILD) -j $(JOBS) --target bench_http
	@ci/snapshot-cost $(BUILD)/bench_http $(BIN) --keys $(KEYS) --seconds $(or $(TIME),60)

watch-cost: deps-test build ## what 10,000 watches cost: memory, writes beside them, events
	@cmake --build $(BUILD) -j $(JOBS) --target bench_http
	@ci/watch-cost $(BIN) $(BUILD)/bench_http

lease-cost: deps-test build ## what leases cost a member: memory, processor time at rest and kept alive
	@ci/lease-cost $(BIN)

install: build ## into DESTDIR and PREFIX
	@cmake $(BUILD) -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD)

clean: ## remove build/, with the data of run-* and cluster-* in it
	@ci/cluster stop
	@rm -rf build fuzz/out

deps-build:
	@ci/install-deps build

deps-test:
	@ci/install-deps test

configure: deps-build
	@mkdir -p build
	@cmake --preset release >build/configure.log 2>&1 || { cat build/configure.log >&2; exit 1; }
