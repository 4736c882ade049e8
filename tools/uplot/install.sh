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
file=$("$(dirname "$(readlink -f "$0")")/../npm/download.sh" "$package" "$sha512" "$work")
tar -xzf "$file" -C "$work" package/dist/uPlot.iife.min.js package/dist/uPlot.min.css package/LICENSE
mv "$work/package/dist/uPlot.iife.min.js" "$folder/uPlot.js"
mv "$work/package/dist/uPlot.min.css" "$folder/uPlot.css"
mv "$work/package/LICENSE" "$folder/LICENSE"
printf '%s\n' "$package" >"$folder/.installed"
