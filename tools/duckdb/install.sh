#!/usr/bin/env bash
# install.sh FOLDER: puts DuckDB there, include/duckdb.h and lib/libduckdb.so, unless it is there. Debian has no package of
# it; npm does. The library and the header are of two packages: the C API only grows, and a newer library serves an older
# header. What is downloaded must have the hash below.
set -euo pipefail

readonly folder=${1:?install.sh FOLDER}
readonly library="@duckdb/node-bindings-linux-x64@1.5.6-r.1"
readonly library_sha512="IXcrZJE6kEqM0Z4wwdVnGBHX/frOS33VPNAwDXQ/Q+Fs84b058Qe94chrCCIcNJlG8Y3UHIUU4eBeCQxW5mN1Q=="
readonly header="duckdb@1.4.4"
readonly header_sha512="hEJJ5hyVF0VLj3dmOLpsWrQR0b3d4Ykqtygm6iUXjHJDDnSqg/USKxcb5qvNrOhFYPgktayU6dXCtgPqcmmpog=="
download=$(dirname "$(readlink -f "$0")")/../npm/download.sh
readonly download
readonly stamp="$library $header"

[[ ! -e $folder/.installed || $(<"$folder/.installed") != "$stamp" ]] || exit 0

mkdir -p "$folder"
work=$(mktemp -d "$folder/.download.XXXXXX")
trap 'rm -rf "$work"' EXIT
file=$("$download" "$library" "$library_sha512" "$work")
tar -xzf "$file" -C "$work" package/libduckdb.so package/LICENSE
file=$("$download" "$header" "$header_sha512" "$work")
tar -xzf "$file" -C "$work" package/src/duckdb/src/include/duckdb.h
mkdir -p "$folder/include" "$folder/lib"
mv "$work/package/src/duckdb/src/include/duckdb.h" "$folder/include/duckdb.h"
mv "$work/package/LICENSE" "$folder/LICENSE"
chmod 755 "$work/package/libduckdb.so"
mv "$work/package/libduckdb.so" "$folder/lib/libduckdb.so"
printf '%s\n' "$stamp" >"$folder/.installed"
