#!/usr/bin/env bash
# Starts the program on a free port, asks it as its first lines show, and stops it.
set -euo pipefail
hello=$1
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

"$hello" serve --data "$folder" --listen 127.0.0.1:0 2>"$folder/log" &
server=$!
address=
for _ in $(seq 200); do
    address=$(sed -n 's/.*"listening".*"address":"\([^"]*\)".*/\1/p' "$folder/log")
    [ -z "$address" ] || break
    kill -0 "$server" || { cat "$folder/log"; exit 1; }
    read -rt 0.05 <> <(:) || true
done
[ -n "$address" ] || { echo "no address in the log:"; cat "$folder/log"; exit 1; }

expect() {
    local got
    got=$(curl --silent --show-error --max-time 10 "${@:2}")
    [ "$got" = "$1" ] || { echo "expected $1"; echo "got      $got"; exit 1; }
}
expect '{"greeting":"Hello, Ada","times":1}' -X POST "http://$address/hello/Ada"
expect '{"greeting":"Hello, Ada","times":2}' -X POST "http://$address/hello/Ada"
expect '{"names":[{"name":"Ada","times":2}]}' "http://$address/hello"
refused=$("$hello" jobs share acme --weight 2 --data "$folder" 2>&1) && exit 1
[[ $refused == *"no job kind of this program has tenants"* ]] || { echo "got $refused"; exit 1; }
kill -TERM "$server"
wait "$server"
