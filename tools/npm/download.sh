#!/usr/bin/env bash
# download.sh PACKAGE@VERSION SHA512 FOLDER: puts the package's archive there and prints its name. It must have the hash, in
# base64 as package-lock.json has it.
set -euo pipefail

readonly package=${1:?download.sh PACKAGE SHA512 FOLDER} sha512=${2:?} folder=${3:?}

file=$folder/$(cd "$folder" && npm pack --silent --fetch-retries=3 "$package")
hash=$(sha512sum "$file" | cut -d' ' -f1 | tr -d '\n' | python3 -c \
    'import base64, sys; print(base64.b64encode(bytes.fromhex(sys.stdin.read())).decode())')
if [[ $hash != "$sha512" ]]; then
    printf '%s has the sha512 %s, and not %s\n' "$package" "$hash" "$sha512" >&2
    exit 1
fi
printf '%s\n' "$file"
