#!/usr/bin/env bash
# One line per figure: `run.sh` for all, `run.sh P1` for one. docs/benchmarks.md says what each figure means.
# MUSTER_BIN names the folder of the binaries; .build/release of this tree when not given.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export MUSTER_BIN="${MUSTER_BIN:-$here/../../.build/release}"
export PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

fail() {
    printf 'make bench: %s\n' "$*" >&2
    exit 1
}
command -v python3 >/dev/null || fail "python3 is not installed: apt-get install python3"
for name in muster muster-agent; do
    [ -x "$MUSTER_BIN/$name" ] || fail "$MUSTER_BIN/$name is not there: run make build, or set MUSTER_BIN"
done

# The sender of the metric benchmarks; without it they are skipped and say so.
sender="$here/.build/sender"
if [ "$here/sender.c" -nt "$sender" ]; then
    mkdir -p "$here/.build"
    "${CC:-cc}" -O2 -Wall -Wextra -o "$sender" "$here/sender.c" -lssl -lcrypto -pthread ||
        printf 'make bench: sender.c cannot be built: apt-get install gcc libssl-dev\n' >&2
fi
exec python3 "$here/bench.py" "$@"
