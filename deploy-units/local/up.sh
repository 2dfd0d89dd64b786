#!/usr/bin/env bash
# A coordinator and an agent for this host, from nothing. Safe to run again: what is there is kept, what runs is left alone.
set -euo pipefail
cd "$(dirname "$0")/../.."
. deploy-units/local/common.sh

command -v swift >/dev/null || fail "there is no Swift toolchain: install Swift 6.3 and put it on PATH (https://swift.org/install)"
deploy-units/local/packages.sh build

if [ -z "${MUSTER_BIN:-}" ]; then
    say "Building both executables (release). The first build takes some minutes."
    make --no-print-directory build
fi
bin=$(cd "$bin" && pwd)

# wait_for SECONDS WHAT LOG COMMAND...: until the command succeeds; on failure the end of the log says why.
wait_for() {
    local left=$(($1 * 5)) what=$2 log=$3
    shift 3
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        if [ "$left" -le 0 ]; then
            say "--- the end of $log ---" >&2
            tail -n 15 "$log" >&2
            fail "$what did not happen; the whole log is $log"
        fi
        sleep 0.2
    done
}

start() {
    local name=$1
    shift
    if is_running "$name"; then
        say "$name is already running (pid $(cat "$data/$name.pid"))."
        return
    fi
    setsid "$@" >>"$data/$name.log" 2>&1 </dev/null &
    echo $! >"$data/$name.pid"
    say "Started $name (pid $!), log $data/$name.log"
}

mkdir -p "$data"
chmod 700 "$data"
export MUSTER_CONTEXT="$data/coordinator/context.json"

if [ ! -f "$data/coordinator/muster.yaml" ]; then
    "$bin/muster" pki init --data "$data/coordinator" --link "$link" --api "$api"
fi
start muster "$bin/muster" serve --config "$data/coordinator/muster.yaml"
wait_for 20 "the coordinator's first answer" "$data/muster.log" "$bin/muster" status

host=$(uname -n)
if [ ! -f "$data/agent/identity/host.pem" ]; then
    token=$("$bin/muster" token create --host "$host" 2>/dev/null)
    "$bin/muster-agent" enroll --coordinator "$api" --token "$token" --state "$data/agent" --host-name "$host"
fi
if [ ! -f "$data/agent.yaml" ]; then
    cat >"$data/agent.yaml" <<YAML
# The agent of this host. docs/reference/configuration.md lists every key.
coordinator: ["$link"]
stateDirectory: "$data/agent"
logs:
  files:
    - path: "/var/log/*.log"
YAML
fi
start muster-agent "$bin/muster-agent" run --config "$data/agent.yaml"
wait_for 20 "the first sign of this host" "$data/muster-agent.log" \
    sh -c "'$bin/muster' hosts --json | grep -q '\"state\":\"alive\"'"

context="${XDG_CONFIG_HOME:-$HOME/.config}/muster/context.json"
if [ ! -e "$context" ] && [ ! -L "$context" ]; then
    mkdir -p "$(dirname "$context")"
    ln -s "$data/coordinator/context.json" "$context"
fi

say ""
"$bin/muster" status
say ""
say "Try next:"
say "  $bin/muster hosts"
say "  $bin/muster containers"
say "  $bin/muster query 'node_load1' --range 5m --step 10s"
say "  $bin/muster logs '{}' --since 10m --limit 20"
say "  $bin/muster alerts"
say ""
say "Stop it with: make down"
