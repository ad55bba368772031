#!/bin/sh
# Installs the Debian packages of scripts/peers that are missing. Asks nothing.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

missing=
for package in $(sed 's/#.*//' "$here/peers"); do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

as_root=
[ "$(id -u)" = 0 ] || as_root="sudo -n"
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
echo "Installing the peers that the tests use:$missing" >&2
# shellcheck disable=SC2086 # words are meant
if $as_root env DEBIAN_FRONTEND=noninteractive sh -c '
    apt-get update -q && apt-get install -q -y --no-install-recommends "$@"' peers $missing >"$log" 2>&1 </dev/null; then
  rm -f "$log"
  exit 0
fi
tail -n 20 "$log" >&2
rm -f "$log"
echo "The tests need these packages, and they could not be installed. Install them by hand:" >&2
echo "  apt-get install$missing" >&2
exit 1
