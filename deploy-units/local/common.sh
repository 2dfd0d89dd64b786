# Shared by up.sh and down.sh: where the local fleet lives and how its processes are found.
data="${MUSTER_DATA:-${XDG_DATA_HOME:-$HOME/.local/share}/muster}"
link="${MUSTER_LINK:-127.0.0.1:7443}"
api="${MUSTER_API:-127.0.0.1:7444}"
bin="${MUSTER_BIN:-.build/release}"

say() { printf '%s\n' "$*"; }
fail() {
    printf 'make up: %s\n' "$*" >&2
    exit 1
}

# is_running NAME: the pid file names a live process that is one of ours. The name is compared because the system may
# have given an old pid to somebody else.
is_running() {
    local pid
    pid=$(cat "$data/$1.pid" 2>/dev/null) || return 1
    [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$1" ]
}
