#!/bin/sh
# Measures everything in results/lockbench again, and puts the figures into the
# documents. Under 20 minutes on two cores that do nothing else:
#
#	results/make.sh                     all of it
#	results/make.sh acquire-nats sweep-nats
#
# Nothing is replaced before all that was asked for is measured. Servers come
# from `go run ./cmd/locksim servers get`; what needs one that is missing is left
# out and named at the end, with exit code 2.
set -eu
cd "$(dirname "$0")/.."

all="acquire-nats acquire-memory acquire-file acquire-dynamodb acquire-kubernetes failover-nats failover-crash sweep-nats sweep-seeds compare"
[ $# -gt 0 ] || set -- $all

# What is built before anything changes is stamped with the commit alone.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 2' HUP INT TERM
go build -o "$work/" ./cmd/lockbench
lockbench=$work/lockbench

# measure NAME ARGUMENTS: the result in a folder, without the forms of it that
# `lockbench show` makes again.
measure() {
	name=$1
	shift
	"$lockbench" "$@" --out "$work/new/$name" >"$work/$name.log" 2>&1 || return
	rm -f "$work/new/$name/result.csv" "$work/new/$name/result.bench" "$work/new/$name/report.html"
}

# seeds: the advice of ten sweeps, one line each.
seeds() {
	mkdir -p "$work/new/sweep-seeds"
	echo "lockbench sweep --backend sim --seed N" >"$work/new/sweep-seeds/advice.txt"
	for seed in 1 2 3 4 5 6 7 8 9 10; do
		"$lockbench" sweep --backend sim --seed $seed >"$work/seed.txt" 2>"$work/sweep-seeds.log" || return
		echo "seed $seed: $(tail -n 1 "$work/seed.txt")" >>"$work/new/sweep-seeds/advice.txt"
	done
}

make_one() {
	case $1 in
	acquire-nats) measure "$1" acquire --backend nats --clients 2,8,64 ;;
	acquire-*) measure "$1" acquire --backend "${1#acquire-}" ;;
	failover-nats) measure "$1" failover --backend nats ;;
	failover-crash) measure "$1" failover --backend nats --failures crash --trials 400 --healthy 0s ;;
	sweep-nats) measure "$1" sweep --backend nats --ttl 2s,5s,10s,20s,30s --live 2 --live-trials 40 ;;
	sweep-seeds) seeds ;;
	compare) measure "$1" compare --rounds 9 ;;
	*) echo "there is no $1; there are $all" >&2; exit 3 ;;
	esac
}

missing=
for name in "$@"; do
	begun=$(date +%s)
	if make_one "$name"; then
		echo "$name: $(($(date +%s) - begun)) s"
	else
		echo "$name: not made: $(tail -n 1 "$work/$name.log")"
		missing="$missing $name"
		rm -rf "$work/new/$name"
	fi
done
for made in "$work"/new/*; do
	[ -d "$made" ] || continue
	rm -rf "results/lockbench/${made##*/}"
	cp -R "$made" results/lockbench/
done
go test ./internal/figures -run TestFiguresAreThoseOfTheirFiles -update
if [ -n "$missing" ]; then
	echo "not made:$missing" >&2
	exit 2
fi
