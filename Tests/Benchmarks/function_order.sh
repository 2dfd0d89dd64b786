#!/usr/bin/env bash
# Makes agent/Generated/functions.order: the functions an agent runs in P7 once its start is over, which the linker lays side by side.
# Needs valgrind and what P7 needs (root, docker.io, iproute2, busybox-static), and a release build of both executables.
# Run it when the agent's work has changed a lot: a name that no longer exists costs nothing, a new function lies elsewhere.
#   function_order.sh          makes the list; build again, it is a link
#   function_order.sh --check  fails when more than a fifth of the list is no longer in the built agent
set -euo pipefail
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
release="$root/.build/release"
order="$root/agent/Generated/functions.order"

fail() {
    printf 'function_order.sh: %s\n' "$*" >&2
    exit 1
}
functions() {
    nm --defined-only "$1" | awk '$2 ~ /[tTwW]/ { print $3 }' | sort -u
}

if [ "${1:-}" = --check ]; then
    listed=$(wc -l <"$order")
    present=$(functions "$release/muster-agent" | comm -12 - "$order" | wc -l)
    printf '%s of the %s functions of agent/Generated/functions.order are in the agent\n' "$present" "$listed"
    [ $((present * 5)) -ge $((listed * 4)) ] || fail "the list is too old: run it without --check and commit the list"
    exit 0
fi

for tool in valgrind callgrind_control strip nm; do
    command -v "$tool" >/dev/null || fail "$tool is not installed: apt-get install valgrind binutils"
done
for name in muster muster-agent; do
    [ -x "$release/$name" ] || fail "$release/$name is not there: run make build"
done

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ln -s "$release/muster" "$work/muster"
# valgrind does not read lld's debug information; the names of functions are enough.
strip -g -o "$work/agent.real" "$release/muster-agent"
cat >"$work/muster-agent" <<WRAPPER
#!/usr/bin/env bash
[ "\$1" = run ] || exec "$work/agent.real" "\$@"
(sleep 20; exec callgrind_control --instr=on \$\$ >/dev/null) &
exec valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file="$work/calls.%p" "$work/agent.real" "\$@"
WRAPPER
chmod +x "$work/muster-agent"

# The figures of an agent under valgrind say nothing.
MUSTER_BIN="$work" P7_WARM_UP=30 P7_SECONDS=15 "$here/run.sh" P7 >"$work/log" 2>&1 || true
ls "$work"/calls.* >/dev/null 2>&1 || {
    tail -20 "$work/log" >&2
    fail "the agent left no list of calls"
}

# callgrind names a function once, `fn=(12) name`; those of shared libraries are not ours to order.
cat "$work"/calls.* | sed -nE "s/^c?fn=\([0-9]+\) (.+)$/\1/p" | sed -E "s/'[0-9]+$//" | sort -u >"$work/ran"
functions "$work/agent.real" | comm -12 - "$work/ran" >"$work/order"
[ -s "$work/order" ] || fail "no function of the agent was seen running"
mv "$work/order" "$order"
# Nothing else tells the build that the agent has to be linked again.
rm -f "$release/muster-agent"
printf '%s functions in agent/Generated/functions.order\n' "$(wc -l <"$order")"
