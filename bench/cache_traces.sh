#!/usr/bin/env bash
# cache_traces.sh              traces that are made by recipe
# cache_traces.sh public       the public trace that Debian has: "gli" of the authors of LIRS, in ristretto's package
# cache_traces.sh FILE..       of files; see bench/traces/main.cc
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ "${1:-}" == public ]]; then
    package=golang-github-dgraph-io-ristretto-dev
    folder=$PWD/build/bench/traces
    mkdir -p "$folder"
    if [[ ! -s $folder/gli.lirs ]]; then
        (cd "$folder" && apt-get download -q "$package" && dpkg-deb -x "$package"_*.deb unpacked)
        zcat "$folder/unpacked/usr/share/gocode/src/github.com/dgraph-io/ristretto/sim/gli.lirs.gz" > "$folder/gli.lirs"
    fi
    set -- --entries 25,250,500,1000,1500,2000 "$folder/gli.lirs"
fi
exec build/release/bin/cache_traces "$@"
