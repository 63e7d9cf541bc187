#!/bin/sh
# Build the NATS server into bench/.cache/bin (one to two minutes).
#
# The lowest priority and one package at a time, as build_temporal.sh does; GOFLAGS overrides it.
set -eu

version=v2.15.2
bin=$(cd "$(dirname "$0")/.." && pwd)/.cache/bin

command -v go >/dev/null || { echo "build_nats: no 'go' on PATH; install Go 1.25 or later" >&2; exit 1; }
mkdir -p "$bin"
echo "build_nats: building nats-server $version into $bin (one to two minutes)" >&2
GOBIN="$bin" GOFLAGS="${GOFLAGS:--p=1}" nice -n 19 go install "github.com/nats-io/nats-server/v2@$version"
"$bin/nats-server" --version >&2
