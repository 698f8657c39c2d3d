# What a person types. Every target installs what it needs and is missing.

SHELL := /bin/bash
TOOLS := $(CURDIR)/target/tools
BUF_VERSION := 1.75.0
export PATH := $(TOOLS)/venv/bin:$(PATH)

.PHONY: help demo build test configurations alerts kubernetes charts deployments chaos fuzz lint format vectors independent bench costs clean tools

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: ## Two devices, a relay, a text and a picture: all of it in a second
	cargo run --release -- demo

build: ## The relay, optimised
	cargo build --release --bin sealpost

test: tools lint vectors independent configurations alerts charts deployments ## Everything: format, lints, vectors, a foreign client, all tests over both stores
	scripts/run-tests

configurations: tools ## Start Redis with every file of deploy/redis, and compare it with what Redis says
	deploy/redis/check

alerts: tools ## Test the rules of deploy/prometheus, and check the dashboard of deploy/grafana
	deploy/prometheus/check

charts: tools ## Lint, render, validate and run the charts, and try what they must refuse
	cargo build --bin sealpost
	charts/check

deployments: tools ## What else is in deploy: linted, validated, run from an image's files, and as a topology under load (two minutes)
	cargo build --workspace --bins
	deploy/check
	deploy/docker/try
	deploy/topology/try

kubernetes: ## The charts in a real API server, without a kubelet (seven minutes; needs Go, and builds Kubernetes first)
	deploy/kubernetes/try

chaos: tools ## Every fault ten times over under traffic, with a checker; ends with a table (SEALPOST_CHAOS_ROUNDS=n: n times)
	@SEALPOST_CHAOS_ROUNDS=$${SEALPOST_CHAOS_ROUNDS:-10} cargo test --test chaos faults:: -- --test-threads=1 --nocapture; \
	status=$$?; cat $${CARGO_TARGET_DIR:-target}/chaos/summary.md; exit $$status

fuzz: ## Any bytes into every parser, for a minute each (FUZZ_SECONDS=n: n seconds)
	scripts/fuzz

lint: tools ## Format, clippy, the contract's lint, documents against code
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cd proto && buf lint
	scripts/check-docs
	scripts/check-dependencies

format: ## Write everything in the project's style
	cargo fmt --all

vectors: tools ## The shared test vectors, by a second implementation in Python
	python sdk/vectors/check.py

independent: tools ## A client in Python, written from the documents alone, against the relay
	cargo build --bin sealpost
	tests/independent/run.sh target/debug/sealpost

bench: tools ## The load test's short suite, beside other systems; writes the tables of docs/performance.md (15 minutes)
	scripts/bench

costs: ## What sealing and the stores cost, by themselves
	cargo run --release -p sealpost-core --example timing
	cargo bench --bench first_figures
	cargo bench --profile dist --bench store

tools: ## Install what the tests need and is missing
	@scripts/install-tools $(TOOLS) $(BUF_VERSION)

clean: ## Remove what was built
	cargo clean
