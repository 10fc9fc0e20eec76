#!/bin/sh
# Backup and restore with real daemons: m365sim, m365stage and Debian's Bacula on loopback. BUILD names the build folder.
set -eu
exec env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$(dirname "$0")/e2e.py" --build "${BUILD:-$(dirname "$0")/../../build}" "$@"
