#!/usr/bin/env bash
# Stops what up.sh started, and only that. Data, certificates and cursors stay for the next `make up`.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy-units/local/common.sh

for name in muster-agent muster; do
    if ! is_running "$name"; then
        say "$name is not running."
        rm -f "$data/$name.pid"
        continue
    fi
    pid=$(cat "$data/$name.pid")
    kill -TERM "$pid"
    for _ in $(seq 1 50); do
        is_running "$name" || break
        sleep 0.2
    done
    if is_running "$name"; then
        say "$name (pid $pid) did not stop within 10 s; ending it." >&2
        kill -KILL "$pid"
    fi
    rm -f "$data/$name.pid"
    say "Stopped $name."
done
say "Its data is in $data; remove that folder to begin anew."
