#!/usr/bin/env bash
# install.sh FOLDER: puts uPlot there (uPlot.js, uPlot.css, LICENSE), unless it is there. What is downloaded from npm must
# have the hash below.
set -euo pipefail

readonly folder=${1:?install.sh FOLDER}
readonly package="uplot@1.6.32"
readonly sha512="KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw=="

[[ ! -e $folder/.installed || $(<"$folder/.installed") != "$package" ]] || exit 0

mkdir -p "$folder"
work=$(mktemp -d "$folder/.download.XXXXXX")
trap 'rm -rf "$work"' EXIT
file=$work/$(cd "$work" && npm pack --silent --fetch-retries=3 "$package")
hash=$(sha512sum "$file" | cut -d' ' -f1 | tr -d '\n' | python3 -c \
    'import base64, sys; print(base64.b64encode(bytes.fromhex(sys.stdin.read())).decode())')
if [[ $hash != "$sha512" ]]; then
    printf 'install.sh: %s has the sha512 %s, and not %s\n' "$package" "$hash" "$sha512" >&2
    exit 1
fi
tar -xzf "$file" -C "$work" package/dist/uPlot.iife.min.js package/dist/uPlot.min.css package/LICENSE
mv "$work/package/dist/uPlot.iife.min.js" "$folder/uPlot.js"
mv "$work/package/dist/uPlot.min.css" "$folder/uPlot.css"
mv "$work/package/LICENSE" "$folder/LICENSE"
printf '%s\n' "$package" >"$folder/.installed"
