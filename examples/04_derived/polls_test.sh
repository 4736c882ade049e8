#!/usr/bin/env bash
# Starts the program on a free port, asks for what docs/guides/derived_data.md shows, and stops it.
set -euo pipefail
program=$1 column_store=$2
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

"$program" serve --data "$folder" --listen 127.0.0.1:0 --analytics-program "$column_store" 2>"$folder/log" &
server=$!
address=
for _ in $(seq 200); do
    address=$(sed -n 's/.*"listening".*"address":"\([^"]*\)".*/\1/p' "$folder/log")
    [ -z "$address" ] || break
    kill -0 "$server" || { cat "$folder/log"; exit 1; }
    read -rt 0.05 <> <(:) || true
done
[ -n "$address" ] || { echo "no address in the log:"; cat "$folder/log"; exit 1; }

ask() {  # METHOD PATH [BODY]
    curl --silent --show-error --max-time 10 -X "$1" ${3:+-H "Content-Type: application/json" -d "$3"} "http://$address$2"
}
expect() {  # TEXT METHOD PATH [BODY]: the answer is TEXT
    local got
    got=$(ask "${@:2}")
    [ "$got" = "$1" ] || { echo "$2 $3: expected $1"; echo "got      $got"; exit 1; }
}
expect '{"id":1}' POST /polls '{"question":"Tea?"}'
expect '{"id":2}' POST /polls '{"question":"Cake?"}'
expect '' POST /polls/1/votes '{"voter":"Ada","choice":"yes"}'
expect '[{"choice":"yes","votes":1}]' GET /polls/1
expect '' POST /polls/1/votes '{"voter":"Bob","choice":"no"}'
expect '' POST /polls/1/votes '{"voter":"Cyd","choice":"yes"}'
expect '[{"choice":"yes","votes":2},{"choice":"no","votes":1}]' GET /polls/1
expect '[{"choice":"yes","votes":2},{"choice":"no","votes":1}]' GET /polls/1
[[ $(ask POST /polls/1/votes '{"voter":"Cyd","choice":"no"}') == *'"status":409'* ]]
expect '{"polls":[{"id":2,"question":"Cake?","votes":0},{"id":1,"question":"Tea?","votes":3}]}' GET /polls

etag=$(curl --silent --max-time 10 -D - -o /dev/null "http://$address/polls/1" | tr -d '\r' | sed -n 's/^ETag: //Ip')
again() { curl --silent --max-time 10 -o /dev/null -w '%{http_code}' -H "If-None-Match: $etag" "http://$address/polls/1"; }
[ "$(again)" = 304 ]
expect '' POST /polls/1/votes '{"voter":"Dee","choice":"yes"}'
[ "$(again)" = 200 ]

for _ in $(seq 200); do  # the column store follows some 200 ms later
    days=$(ask GET /days)
    [[ $days != *'"votes":4,"polls":1}'* ]] || break
    read -rt 0.05 <> <(:) || true
done
[[ $days == *'"votes":4,"polls":1}'* ]] || { echo "got $days"; exit 1; }
given=$(ask GET /choices)
[[ $given == '{"choices":[{"choice":"yes","votes":3,'*'{"choice":"no","votes":1,'* ]] || { echo "got $given"; exit 1; }

[[ $("$program" views verify --data "$folder") == *"polls.votes: 1 keys, 0 differ"* ]]
kill -TERM "$server"
wait "$server"
