.DEFAULT_GOAL := help
SHELL := /bin/bash
FUZZTIME ?= 30s
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.PHONY: help
help: ## Show this help
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/ingest-auth
	go build -trimpath -ldflags='-s -w' -o bin/ingest-auth ./cmd/ingest-auth

.PHONY: run
run: build ## Run the demo: a gate on :8080 and a backend behind it
	bin/ingest-auth run --config Caddyfile

.PHONY: test
test: ## Run the tests, with the race detector
	.ci/each --at-once go test -race -p 3 -parallel 8 ./...
	@.ci/left-out

.PHONY: drills
drills: ## Run the tests at full length: floods, churn, outages, soak
	INGEST_AUTH_DRILLS=1 .ci/each go test -race -timeout 30m ./...

.PHONY: vault
vault: ## Build a Vault server for the tests that need one
	cd internal/vaulttest/vaultdev && GOFLAGS=-mod=mod go build -trimpath -ldflags='-s -w' -o ../../../bin/vaultdev .

.PHONY: lint
lint: ## Run the linters
	.ci/each $(GOLANGCI_LINT) run ./...
	cd examples/kubernetes && $(GOLANGCI_LINT) run ./...

.PHONY: vulns
vulns: ## Look for known vulnerabilities (needs vuln.go.dev)
	@.ci/vulns

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@.ci/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## Run the benchmarks of the hot path and of the scanner
	go test -run '^$$' -bench . -benchmem ./caddymodule ./caddymodule/logs ./internal/credential ./internal/body ./internal/redact ./internal/assertion ./keysync/...
	cd verify && go test -run '^$$' -bench . -benchmem .

.PHONY: bench-limits
bench-limits: ## Compare limits in memory and in Redis (needs redis-server)
	go test -run '^$$' -bench LimitsThroughput ./caddymodule

bin/stockcaddy: go.mod $(wildcard internal/bench/stockcaddy/*.go)
	go build -trimpath -ldflags='-s -w' -o $@ ./internal/bench/stockcaddy

.PHONY: bench-proxy
bench-proxy: build bin/stockcaddy ## Compare the gate under load with stock Caddy, nginx and HAProxy as far as they are there (quick: ARGS=-short)
	go run ./internal/bench/proxy $(ARGS)
	go run ./internal/bench/proxy -footprint

.PHONY: bench-growth
bench-growth: build bin/stockcaddy ## Measure cost and latency with more connections, larger bodies, more limits, more gates (quick: ARGS=-short)
	go run ./internal/bench/growth $(ARGS)

.PHONY: bench-memory
bench-memory: build bin/stockcaddy ## Measure cost against memory, and what a flood of bodies needs (quick: ARGS=-short)
	go build -trimpath -ldflags='-s -w' -o bin/floorcaddy ./internal/bench/floorcaddy
	go run ./internal/bench/memory $(ARGS)

.PHONY: bench-scale
bench-scale: ## Measure a million keys, a day's churn, and what many gateways ask of Vault and Redis
	go run ./internal/bench/scale

.PHONY: profile
profile: build ## Profile the gate under load: print what takes most CPU time and allocates most
	go run ./internal/bench/proxy -profile bin
	@for load in header body; do \
		go tool pprof -top -nodecount 30 bin/$$load-cpu.pprof; \
		go tool pprof -top -nodecount 30 -sample_index alloc_objects bin/$$load-allocs.pprof; \
	done

.PHONY: plugin
plugin: ## Build the module into a stock Caddy from this checkout, as xcaddy does
	@.ci/plugin

.PHONY: examples
examples: ## Test example backends and manifests (needs Node.js 20, npm, python3-jwt and python3-cryptography)
	cd examples/backend-go && go test ./...
	cd examples/kubernetes && go test ./...
	cd examples/backend-node && npm ci --no-audit --no-fund && npm test
	cd examples/backend-python && /usr/bin/python3 -B test_server.py

.PHONY: browser
browser: ## Install what the tests in a browser need (Node.js 20, npm; chromium from the system)
	cd internal/browsertest && npm ci --no-audit --no-fund

.PHONY: decoders
decoders: ## Install what the tests against decoders of other languages need (Node.js 20, npm; php, php-cgi and python3 from the system)
	cd internal/decodertest && npm ci --no-audit --no-fund

.PHONY: clients
clients: ## Install the clients that tests run against the gate (Node.js 20, npm, chromium from the system)
	cd internal/clienttest && npm ci --no-audit --no-fund --ignore-scripts
	cd internal/clienttest/gosdk && go build -o gosdk .
