#!/bin/bash
# A running service for a while, see soak.py; the folder is kept if something fails.
exec /usr/bin/python3 "$(dirname "$0")/soak.py" "$@"
