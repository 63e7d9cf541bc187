#!/bin/sh
# Build Temporal's development server into bench/.cache/bin (four to eight minutes, most of it compiling).
#
# v1.5.1 is the newest that `go install` builds: later ones carry replace directives in go.mod.
# One package at a time and the lowest priority, so that the machine stays usable meanwhile;
# GOFLAGS from the environment overrides it: `GOFLAGS=-p=8 bench/rivals/build_temporal.sh`.
set -eu

version=v1.5.1
bin=$(cd "$(dirname "$0")/.." && pwd)/.cache/bin

command -v go >/dev/null || { echo "build_temporal: no 'go' on PATH; install Go 1.24 or later" >&2; exit 1; }
mkdir -p "$bin"
echo "build_temporal: building temporal $version into $bin (four to eight minutes)" >&2
GOBIN="$bin" GOFLAGS="${GOFLAGS:--p=1}" nice -n 19 go install "github.com/temporalio/cli/cmd/temporal@$version"
"$bin/temporal" --version >&2
