# Stackhouse. `make help` lists the targets; CI calls `make ci` and nothing else.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# DuckDB's Arrow interface is behind a build tag of its Go driver. Exported, so
# that every go command below, and what it starts, agrees on it.
TAGS := duckdb_arrow
export GOFLAGS := $(strip $(GOFLAGS) -tags=$(TAGS))

BIN     := $(CURDIR)/.bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  ?= $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# Tools, pinned. They are built into .bin and are no part of go.mod.
GOLANGCI_LINT_VERSION := v2.15.0
BENCHSTAT_VERSION     := v0.0.0-20260908200009-22c9c6c9d4da
GOLANGCI_LINT         := $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION)
BENCHSTAT             := $(BIN)/benchstat-$(BENCHSTAT_VERSION)

# Packages under test at the same time: each test binary has the engine in it.
P     ?= 2
PKG   ?= ./...
BENCH ?= .
BASE  ?= main
T     ?= 30s
ARGS  ?=
KILLS ?= 200

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## check for what a build needs: Go, gcc, g++ (installed in CI if missing)
	@./.ci/deps

.PHONY: build
build: deps ## build bin/stackhouse
	go build -ldflags '$(LDFLAGS)' -o bin/stackhouse ./cmd/stackhouse

.PHONY: run
run: build ## build, then run the server with data in ./data; ARGS adds flags
	./bin/stackhouse serve $(ARGS)

.PHONY: test
test: deps ## run every test, with the expensive checks of the build tag invariants
	go test -tags=$(TAGS),invariants -p $(P) -timeout 15m $(PKG)

.PHONY: short
short: deps ## run the quick tests only
	go test -short -p $(P) -timeout 5m $(PKG)

.PHONY: race
race: deps ## run every test under the race detector
	go test -race -tags=$(TAGS),invariants -p $(P) -timeout 30m $(PKG)

.PHONY: e2e
e2e: build ## run the built binary: real clients, restart, kill
	STACKHOUSE_BIN=$(CURDIR)/bin/stackhouse go test -tags=$(TAGS),e2e -count=1 -timeout 10m -run E2E ./cmd/stackhouse

.PHONY: crash
crash: deps ## kill the server KILLS=200 times under load, half of them at failpoints, and account for every profile
	go build -tags=$(TAGS),failpoints -o .bin/stackhouse-failpoints ./cmd/stackhouse
	go run ./cmd/crashtest -binary .bin/stackhouse-failpoints -kills $(KILLS)

.PHONY: fuzz
fuzz: deps ## run every fuzz target for T=30s each
	@set -e; grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file func; do \
		name=$${func#func }; dir=$$(dirname "$$file"); \
		echo "fuzz $$dir $$name"; \
		go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(T) -fuzzminimizetime 10x "$$dir"; \
	done

.PHONY: bench
bench: deps ## run benchmarks; PKG=./warehouse/flame BENCH=Build
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: bench-suite
bench-suite: build ## measure the server from outside and compare with docs/bench; ARGS="-scale small -stages ingest,query -record"
	go build -o .bin/benchtest ./cmd/benchtest
	.bin/benchtest -binary bin/stackhouse $(ARGS)

.PHONY: bench-diff
bench-diff: deps $(BENCHSTAT) ## compare benchmarks with BASE=main; give PKG and BENCH
	@set -e; dir=$$(mktemp -d); trap 'git worktree remove --force "$$dir/base"; rm -rf "$$dir"' EXIT; \
	git worktree add --detach -q "$$dir/base" $(BASE); \
	(cd "$$dir/base" && go test -run '^$$' -bench '$(BENCH)' -benchmem -count 10 $(PKG)) > "$$dir/$(subst /,-,$(BASE))"; \
	go test -run '^$$' -bench '$(BENCH)' -benchmem -count 10 $(PKG) > "$$dir/here"; \
	cd "$$dir" && $(BENCHSTAT) "$(subst /,-,$(BASE))" here

.PHONY: cover
cover: deps ## measure test coverage of all packages into cover.out
	go test -p $(P) -timeout 20m -coverpkg=./... -coverprofile=cover.out $(PKG)
	@go tool cover -func=cover.out | tail -1

.PHONY: fmt
fmt: ## format all Go files
	gofmt -s -w $(GO_DIRS)

.PHONY: fmt-check
fmt-check: ## fail if a Go file is not formatted
	@files=$$(gofmt -s -l $(GO_DIRS)); test -z "$$files" || { echo "not formatted (make fmt): $$files"; exit 1; }

.PHONY: vet
vet: deps ## run go vet
	go vet ./...

.PHONY: lint
lint: deps $(GOLANGCI_LINT) ## run the linters; PKG=./warehouse/... for some packages
	$(GOLANGCI_LINT) run $(PKG)

.PHONY: generate
generate: ## regenerate generated code
	go generate ./...

.PHONY: check-clean
check-clean: ## fail if generating changes a file, or if go.sum lacks one
	@before=$$(git status --porcelain; git diff | cksum); \
	$(MAKE) --no-print-directory generate && \
	after=$$(git status --porcelain; git diff | cksum); \
	test "$$before" = "$$after" || { echo "generated files are not up to date (make generate):"; git status --short; exit 1; }
	@go mod verify >/dev/null

.PHONY: hooks
hooks: ## install the pre-commit hook: format, vet and quick tests of what is committed
	@hook=$$(git rev-parse --git-path hooks)/pre-commit; \
	mkdir -p "$$(dirname "$$hook")" && install -m 755 .ci/pre-commit "$$hook" && echo "installed $$hook"

.PHONY: ci
ci: deps fmt-check check-clean vet lint test build ## what CI runs

.PHONY: clean
clean: ## remove what make built, but not the tools and no data
	rm -rf bin cover.out

GO_DIRS := $(wildcard *.go api cmd compactor ingest metastore pgwire sql warehouse web)

# $(call install-tool,file,package,version): a tool under a name with its version.
define install-tool
	@mkdir -p $(BIN)
	@echo "building $(notdir $(1)), which is kept in .bin"
	GOFLAGS= GOBIN=$(BIN)/.new go install $(2)@$(3)
	@mv $(BIN)/.new/$(notdir $(2)) $(1)
endef

$(GOLANGCI_LINT):
	$(call install-tool,$@,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION))

$(BENCHSTAT):
	$(call install-tool,$@,golang.org/x/perf/cmd/benchstat,$(BENCHSTAT_VERSION))
