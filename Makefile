# Nothing here is needed to use Lockproof; these are the commands that are typed
# often. .ci/run is what decides whether a change is good.

.PHONY: build test race lint fuzz-short ci clean results

build:
	go build -o bin/ ./cmd/...

test:
	go test ./...

race:
	go test -race ./...

lint:
	.ci/run lint

fuzz-short:
	.ci/run fuzz

ci:
	.ci/run

# All of results/lockbench again, and the figures in the documents.
results:
	results/make.sh

clean:
	rm -rf bin runs
	go clean -testcache
