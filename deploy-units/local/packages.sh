#!/usr/bin/env bash
# Installs the Debian packages that are missing and says which.
#   packages.sh build   what a build needs
#   packages.sh suite   also the peers that the whole test suite talks to
set -euo pipefail

packages=(libssl-dev zlib1g-dev libsqlite3-dev libyaml-dev libre2-dev libsnappy-dev pkg-config)
if [ "${1:-build}" = suite ]; then
    packages+=(systemd-journal-remote docker.io busybox-static prometheus-node-exporter openssl curl procps binutils iproute2 python3 prometheus victoria-metrics)
fi

missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
[ "${#missing[@]}" -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "Missing Debian packages: ${missing[*]}" >&2
        echo "Install them as root: apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "Installing Debian packages: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
