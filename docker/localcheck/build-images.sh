#!/usr/bin/env bash
# Builds stand-ins for two of the images in docker/compose.yml, under the same
# names, without a registry: see README.md beside this file.
#
#   sudo docker/localcheck/build-images.sh            both
#   sudo docker/localcheck/build-images.sh dynamodb   this one only
set -euo pipefail
repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
export LC_ALL=C

# The name of a service's image is read from where it is pinned.
image() { sed -n "s|^ *image: \($1:[^ ]*\)$|\1|p" "$repo/docker/compose.yml"; }

# The layout of amazon/dynamodb-local: DynamoDBLocal.jar and DynamoDBLocal_lib
# in the home of the user dynamodblocal, java in PATH, curl and sh. The jars are
# those that `locksim servers get dynamodb` installed. The jar from Maven names
# its libraries otherwise than Maven does, so a jar that only lists them stands
# in its place.
dynamodb() {
	local name root home version installed jar user=dynamodblocal
	name="$(image amazon/dynamodb-local)"
	version="${name##*:}"
	installed="${XDG_CACHE_HOME:-$HOME/.cache}/lockproof/dynamodb-$version"
	[[ -f "$installed/DynamoDBLocal-$version.jar" ]] || {
		echo "first: go run ./cmd/locksim servers get dynamodb" >&2
		return 1
	}
	root="$work/dynamodb"
	debootstrap --variant=minbase --include=curl,openjdk-17-jre-headless \
		bookworm "$root" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/debootstrap.log" ||
		{ tail -n 20 "$work/debootstrap.log" >&2; return 1; }
	rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
	home="$root/home/$user"
	chroot "$root" useradd --create-home "$user"
	mkdir "$home/DynamoDBLocal_lib"
	cp "$installed"/*.jar "$installed"/*.so "$home/DynamoDBLocal_lib/"
	{
		echo "Main-Class: com.amazonaws.services.dynamodbv2.local.main.ServerRunner"
		echo "Class-Path: ."
		for jar in "$home"/DynamoDBLocal_lib/*.jar; do echo "  DynamoDBLocal_lib/${jar##*/}"; done
	} >"$work/manifest"
	jar --create --file "$home/DynamoDBLocal.jar" --manifest "$work/manifest"
	tar -C "$root" -c . | docker import \
		--change "WORKDIR /home/$user" --change "USER $user" --change 'EXPOSE 8000' \
		--change 'ENTRYPOINT ["java"]' --change 'CMD ["-jar","DynamoDBLocal.jar","-inMemory"]' \
		--change 'LABEL lockproof.localcheck=true' - "$name"
	echo "$name"
}

# The layout of nats:VERSION-alpine: nats-server in PATH, and busybox.
nats() {
	local name root version
	name="$(image nats)"
	version="${name##*:}"
	version="${version%-alpine}"
	root="$work/nats"
	mkdir -p "$root/bin" "$root/tmp" "$root/usr/local/bin" "$root/etc" "$root/proc" "$root/dev"
	echo 'root:x:0:0:root:/:/bin/sh' >"$root/etc/passwd"
	CGO_ENABLED=0 GOBIN="$root/usr/local/bin" \
		go install "github.com/nats-io/nats-server/v2@v$version"
	cp "$(command -v busybox)" "$root/bin/busybox" # the static one
	for tool in sh wget cat; do ln -s busybox "$root/bin/$tool"; done
	tar -C "$root" -c . | docker import \
		--change 'ENV PATH=/usr/local/bin:/bin' --change 'EXPOSE 4222' \
		--change 'CMD ["nats-server"]' --change 'LABEL lockproof.localcheck=true' - "$name"
	echo "$name"
}

if [[ $# -eq 0 ]]; then set -- dynamodb nats; fi
for which in "$@"; do "$which"; done
