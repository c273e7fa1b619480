# Nothing here is needed to use Lockproof; these are the commands that are typed
# often. .ci/run is what decides whether a change is good.

.PHONY: build test race lint fuzz-short ci clean

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

clean:
	rm -rf bin runs
	go clean -testcache
