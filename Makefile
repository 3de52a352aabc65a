SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --warn-undefined-variables --no-builtin-rules --no-print-directory

# A count rather than a time, so that a slow machine fuzzes as much as a fast one.
FUZZTIME ?= 100000x
BENCHCOUNT ?= 1
SOAK ?= 1000000

MODULE := github.com/openyuanrong/statusmap

# The tools have mod files of their own, so that users of the module never see what the tools
# depend on, and so that checksums are verified all the same. A newer version:
#   go get -modfile=.tools/buf.mod -tool github.com/bufbuild/buf/cmd/buf@latest
BUF := go tool -modfile=.tools/buf.mod buf
STATICCHECK := go tool -modfile=.tools/lint.mod staticcheck
BENCHSTAT := go tool -modfile=.tools/lint.mod benchstat

# The oldest versions that are supported, which is what go.mod must ask for: a user is never made
# to upgrade.
FLOOR := google.golang.org/grpc@v1.67.0 google.golang.org/protobuf@v1.36.6

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-18s %s\n", $$1, $$2 }' Makefile

.PHONY: build
build: ## Compile everything
	go build ./...

.PHONY: test
test: ## Run the tests
	go test ./...

.PHONY: race
race: ## Run the tests under the race detector
	CGO_ENABLED=1 go test -race ./...

.PHONY: soak
soak: ## Make SOAK (1000000) calls while connections break, and judge every error
	go test -run '^TestSoak$$' -count=1 -timeout 2h -v ./interceptor -soak $(SOAK)

# go test -fuzz instruments every package that is linked, and then most of the time goes into
# the counters of gRPC and the standard library. Here only this module has them, which is three to
# ten times as fast. For a long run give a time for each target, as in FUZZTIME=1h: what was found
# is kept in .tmp/fuzzcache, and the next run begins with it. An input that fails is written below
# testdata/fuzz; give it the name of its case, and keep it.
.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (100000x)
	@rm -rf .tmp/fuzz; mkdir -p .tmp/fuzz
	@go list -f '{{.ImportPath}} {{.Dir}}' ./... > .tmp/fuzz/packages
	@while read -r pkg dir; do \
		grep -qs '^func Fuzz' "$$dir"/*_test.go || continue; \
		bin=$$PWD/.tmp/fuzz/$${pkg##*/}.test; cache=$$PWD/.tmp/fuzzcache/$$pkg; \
		go test -c -gcflags='$(MODULE)/...=-d=libfuzzer' -o "$$bin" "$$pkg"; \
		(cd "$$dir"; "$$bin" -test.list '^Fuzz') | tee .tmp/fuzz/targets >> .tmp/fuzz/all; \
		while read -r target; do \
			test -d "$$dir/testdata/fuzz/$$target" || { echo "$$pkg: no corpus for $$target"; exit 1; }; \
			echo "$$pkg $$target"; \
			(cd "$$dir"; "$$bin" -test.run '^$$' -test.fuzz "^$$target\$$" -test.fuzztime $(FUZZTIME) \
				-test.fuzzminimizetime 10x -test.fuzzcachedir "$$cache") < /dev/null; \
		done < .tmp/fuzz/targets; \
	done < .tmp/fuzz/packages
	@test -s .tmp/fuzz/all || { echo "there is no fuzz target"; exit 1; }

.PHONY: bench
bench: ## Run the benchmarks BENCHCOUNT (1) times and summarise them
	@mkdir -p .tmp
	go test -run '^$$' -bench . -benchmem -count $(BENCHCOUNT) ./... | tee .tmp/bench
	$(BENCHSTAT) .tmp/bench

GENERATED := gen examples/internal/pb

.PHONY: generate
generate: ## Regenerate gen/ from proto/, and the examples' code from theirs
	$(BUF) generate --template proto/buf.gen.yaml
	$(BUF) generate --template proto/buf.gen.catalog.yaml
	$(BUF) generate --template examples/proto/buf.gen.yaml

.PHONY: checkgenerate
checkgenerate: generate ## Fail if generated code is not what its protos generate
	@changed=$$(git status --porcelain $(GENERATED)); test -z "$$changed" || { echo "$$changed"; git diff $(GENERATED); exit 1; }

.PHONY: lint
lint: ## Check formatting, vet, staticcheck, and the protos
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "not gofmt'ed: $$unformatted"; exit 1; }
	go vet ./...
	$(STATICCHECK) ./...
	$(BUF) lint
	$(BUF) format --diff --exit-code

# The contract is what was released and what is on main. On the tip of main itself that would be
# a comparison with itself, so there the commit before counts too.
.PHONY: breaking
breaking: ## Fail if the protos break the last release or main
	@git rev-parse --git-dir > /dev/null
	@tag=$$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2> /dev/null || true); \
	main=origin/main; git rev-parse -q --verify origin/main > /dev/null || main=HEAD; \
	before=; test "$$(git rev-parse -q --verify $$main)" != "$$(git rev-parse -q --verify HEAD)" || before=HEAD~1; \
	compared=; for ref in $$tag $$main $$before; do \
		git cat-file -e "$$ref:buf.yaml" 2> /dev/null || continue; \
		rm -rf .tmp/against; mkdir -p .tmp/against; git archive "$$ref" buf.yaml $$(git ls-tree -d --name-only "$$ref" proto examples/proto) | tar -x -C .tmp/against; \
		echo "against $$ref"; $(BUF) breaking proto --against .tmp/against/proto; compared=yes; \
	done; test -n "$$compared" || echo "nothing to compare with yet"

# must-reject(edit of the SDK's catalogue, what the check has to say about it). The edited copy
# has to compile: otherwise the check fails, but for the wrong reason.
define must-reject
	@rm -rf .tmp/edited; mkdir -p .tmp/edited; cp -R buf.yaml proto .tmp/edited
	@mkdir -p .tmp/edited/examples; cp -R examples/proto .tmp/edited/examples
	@sed '$(1)' proto/yuanrong/sdk/v1/code.proto > .tmp/edited/proto/yuanrong/sdk/v1/code.proto
	@$(BUF) build .tmp/edited -o /dev/null
	@! $(BUF) breaking .tmp/edited --against . > .tmp/rejected
	@grep '$(2)' .tmp/rejected
endef

.PHONY: breaking-selftest
breaking-selftest: ## Prove that a renumbered, removed or renamed code fails the check
	@mkdir -p .tmp
	$(BUF) breaking --against .
	$(call must-reject,s/CODE_INSTANCE_NOT_FOUND = 1003/CODE_INSTANCE_NOT_FOUND = 1009/,value "1003" on enum "Code" was deleted)
	$(call must-reject,/CODE_INSTANCE_NOT_FOUND = /$(comma)/^  }];/d,value "1003" on enum "Code" was deleted)
	$(call must-reject,s/CODE_INSTANCE_NOT_FOUND = /CODE_INSTANCE_MISSING = /,value "1003" on enum "Code" changed name)

comma := ,

# Sets toolchain to the oldest version of Go, or to local if that cannot be had here.
define floor-toolchain
toolchain=go$$(go list -m -f '{{.GoVersion}}'); \
if ! GOTOOLCHAIN=$$toolchain go version; then \
	echo "$$toolchain cannot be had here, so it is done with $$(go env GOVERSION)"; toolchain=local; \
fi
endef

.PHONY: readme
readme: ## Run the commands in the README, from an empty folder on
	go vet -tags readme ./examples
	go test -count=1 -tags readme -run TestCommands ./examples
	@$(floor-toolchain); GOTOOLCHAIN=$$toolchain go test -count=1 -tags readme -run TestFromNothing ./examples

.PHONY: plugin-test
plugin-test: ## Generate a team's own catalogue in a module of its own
	go test -tags buf ./mapping/protoc-gen-statusmap

.PHONY: interop
interop: ## Hold clients in Python and Node, grpcurl and protoc to what we say; installs them
	examples/interop/install
	go vet -tags interop ./examples/interop
	go vet -tags 'buf interop' ./mapping/protoc-gen-statusmap
	go test -count=1 -tags interop ./examples/interop
	go test -count=1 -tags 'buf interop' -run TestProtoc ./mapping/protoc-gen-statusmap

LIMITS := ./interceptor/internal/limits

# At the newest versions too: only these know the limit that gRPC will have by default.
.PHONY: limits
limits: ## Send errors that are far too large through nginx and to clients with limits; installs nginx
	$(LIMITS)/install
	go vet -tags nginx $(LIMITS)
	go test -count=1 -tags nginx $(LIMITS)
	go test -count=1 -tags nginx -modfile=.tools/newest.mod $(LIMITS)

.PHONY: floor
floor: ## Run the tests at the oldest supported versions, that of Go included if it can be had
	@for want in $(FLOOR); do \
		got=$$(go list -m -f '{{.Path}}@{{.Version}}' "$${want%@*}"); \
		test "$$got" = "$$want" || { echo "go.mod asks for $$got, the floor is $$want"; exit 1; }; \
	done
	@$(floor-toolchain); GOTOOLCHAIN=$$toolchain go test ./...

# Newer ones: go get -modfile=.tools/newest.mod google.golang.org/grpc@latest, and likewise the others.
.PHONY: newest
newest: ## Run the tests at the newest versions (.tools/newest.mod)
	go test -modfile=.tools/newest.mod ./...

.PHONY: nested
nested: ## Vet and test the modules below this one
	@find . -name go.mod ! -path ./go.mod ! -path './.tmp/*' | sort | while read -r mod; do \
		echo "$${mod%/go.mod}"; (cd "$${mod%/go.mod}" && go vet ./... && go test ./...) < /dev/null; \
	done

.PHONY: compare
compare: ## Compare with other libraries, by what arrives and what it costs
	cd examples/compare && go run .

# The million takes minutes.
ci: SOAK := 20000

.PHONY: ci
ci: lint checkgenerate breaking breaking-selftest readme plugin-test floor race soak fuzz newest nested interop limits ## Everything that has to pass

.PHONY: clean
clean: ## Remove what the targets above leave behind
	rm -rf .tmp
