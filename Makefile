# Nothing here is needed to use Lockproof; these are the commands that are typed
# often. .ci/run is what decides whether a change is good.

.PHONY: build test race lint fuzz-short mutants results ci release tidy clean

build:
	go build -o bin/ ./cmd/locksim ./cmd/lockbench

test:
	go test work

race:
	go test -race -timeout 30m work

lint:
	.ci/run lint

fuzz-short:
	.ci/run fuzz

# PKG=lock for a part: lock, linearizability, harness or sim. Goes on where it was
# interrupted; the whole takes some twenty minutes on two cores.
mutants:
	go run ./internal/mutants $(if $(PKG),-pkg $(PKG))

ci:
	.ci/run

# go mod tidy in every module: they require each other, and cannot be tidied one by
# one before a release.
tidy:
	go run ./cmd/internal/release tidy

# Releases the modules to a folder, and uses them from outside.
release:
	.ci/run release

# All of results/lockbench again, and the figures in the documents.
results:
	results/make.sh

clean:
	rm -rf bin runs .mutants
	go clean -testcache
