# Everything that a person types. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

CACHE := $(or $(ODRADEK_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/odradek)
export ODRADEK_CACHE := $(CACHE)
# Outside of the checkout, so that a second clone on the same machine compiles only what is its own.
export CARGO_TARGET_DIR ?= $(CACHE)/target
$(shell e2e/own-target '$(CARGO_TARGET_DIR)')

.PHONY: help
help: ## What can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## A three-zone Kubernetes, a cluster, 10,000 messages, a broker killed meanwhile
	@e2e/demo/demo

.PHONY: demo-down
demo-down: ## Removes all that the demo made
	@e2e/demo/down

.PHONY: test
test: setup ## Everything that CI runs: checks, unit tests, simulator, real clients, Kubernetes
	@e2e/suite fast

.PHONY: test-long
test-long: setup ## The same with many more seeds and cases
	@e2e/suite long

.PHONY: setup
setup: ## Packages and tools that the tests need (Debian or Ubuntu, as root)
	@e2e/setup

.PHONY: check
check: ## Formatting, lints, generated files, dependencies; changes nothing
	@e2e/check

.PHONY: fix
fix: ## Formats, and applies what clippy can apply
	cargo fmt --all
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged -- -D warnings

.PHONY: crds
crds: ## Writes crds/yaml and the chart's CRDs from the Rust types
	cargo run -q -p odradek-crds --bin odradek-crdgen

.PHONY: images
images: ## odradek/broker and odradek/operator as image archives, without Docker
	@images/build

.PHONY: plugin
plugin: ## kubectl-odradek into ~/.cargo/bin, for `kubectl odradek plan` and `kubectl odradek topics export`
	cargo install --locked --path operator --bin kubectl-odradek

.PHONY: cluster
cluster: ## A Kubernetes to run on (e2e/cluster/cluster help: all its verbs)
	@e2e/cluster/cluster up

.PHONY: sim
sim: ## The simulator: 1,000 seeds of whole clusters with faults
	cargo run --release -q -p odradek-sim -- --seeds 1000

.PHONY: chaos
chaos: setup ## Real processes under faults, checked record by record (MINUTES, SEED, CLUSTERS, ONLY; as root for all faults)
	@e2e/chaos/chaos --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) $(if $(CLUSTERS),--clusters $(CLUSTERS)) $(if $(ONLY),--only "$(ONLY)")

.PHONY: bench
bench: setup ## The same load against Apache Kafka 4.4.0 and Odradek, side by side (PART=single, failover, scale, reassign, planner)
	@e2e/bench/bench $(PART)

.PHONY: clean
clean: ## Removes what was compiled (the cache in CACHE too)
	rm -rf "$(CARGO_TARGET_DIR)" "$(CACHE)"
