#!/usr/bin/env bash
# Starts the program on a free port, asks for what docs/guides/data_access.md shows, and stops it.
set -euo pipefail
program=$1
folder=$(mktemp -d)
trap 'kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT

"$program" serve --data "$folder" --listen 127.0.0.1:0 2>"$folder/log" &
server=$!
address=
for _ in $(seq 200); do
    address=$(sed -n 's/.*"listening".*"address":"\([^"]*\)".*/\1/p' "$folder/log")
    [ -z "$address" ] || break
    kill -0 "$server" || { cat "$folder/log"; exit 1; }
    read -rt 0.05 <> <(:) || true
done
[ -n "$address" ] || { echo "no address in the log:"; cat "$folder/log"; exit 1; }

# expect TEXT METHOD PATH [BODY]: the answer, without its times, is TEXT.
expect() {
    local got
    got=$(curl --silent --show-error --max-time 10 -X "$2" ${4:+-H "Content-Type: application/json" -d "$4"} "http://$address$3" |
        sed -E 's/"(added_at|last)":"[^"]*"/"\1":"T"/g')
    [ "$got" = "$1" ] || { echo "$2 $3: expected $1"; echo "got      $got"; exit 1; }
}
expect '{"books":0,"authors":0,"last":null}' GET /totals
expect '{"id":1}' POST /books '{"title":"Emma","author":"Austen"}'
# Emma is there already: she uses up an id all the same.
expect '{"books":2}' POST /imports '{"author":"Austen","titles":["Emma","Persuasion","Sanditon"]}'
expect '' POST /loans '{"book":1,"borrower":"Ada"}'
expect '{"books":[{"id":1,"title":"Emma","borrower":"Ada"},{"id":3,"title":"Persuasion","borrower":null},{"id":4,"title":"Sanditon","borrower":null}]}' GET /shelf
expect '{"books":[{"id":4,"title":"Sanditon","author":"Austen","added_at":"T"},{"id":3,"title":"Persuasion","author":"Austen","added_at":"T"}],"next_after":3}' \
    GET '/books?author=Austen&limit=2'
expect '{"books":[{"id":1,"title":"Emma","author":"Austen","added_at":"T"}],"next_after":null}' GET '/books?author=Austen&limit=2&after=3'
expect '{"books":[{"id":1,"title":"Emma","author":"Austen","added_at":"T"},{"id":4,"title":"Sanditon","author":"Austen","added_at":"T"}],"next_after":null}' GET /books/4,1,7
expect '{"letters":"EPS"}' GET /initials
expect '{"books":3,"authors":1,"last":"T"}' GET /totals
kill -TERM "$server"
wait "$server"
