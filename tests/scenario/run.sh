#!/bin/sh
# The scenario tests on the binaries of build/ (or of the folder given with --build).
set -eu
exec env PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 "$(dirname "$0")/scenarios.py" "$@"
