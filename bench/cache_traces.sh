#!/usr/bin/env bash
exec "$(dirname "$0")/../build/release/bin/cache_traces" "$@"
