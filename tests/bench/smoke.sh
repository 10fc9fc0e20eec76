#!/bin/bash
# A benchmark of tiny numbers: shows that every case runs and prints, and judges no speed. BUILD names the build folder.
set -euo pipefail
cd "$(dirname "$0")"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
build=${BUILD:-../../build}
run() { python3 bench.py --build "$build" --wrk-seconds 1 "$@" | tee -a "$out"; }
run --case small --case nothing-changed --case rename --case million --case where --items 50
run --case big --items 1 --bytes 1000000
run --case restore --items 1 --bytes 30000000
run --case limits --items 30 --window 2
python3 mail_bench.py --build "$build" --wrk-seconds 1 --window 2 --mailboxes 3 --messages 30 --bytes 2000 \
    --case first --case limits --case unchanged --case folder --case move
/usr/bin/python3 soak.py --build "$build" --minutes 0.33
python3 tenant_bench.py --build "$build" --users 3
lines=$(grep -cE '^m365stage, [a-z ]+ +[0-9.]+ +[0-9]+ ' "$out")
if [ "$lines" -ne 9 ]; then
    echo "bench: 9 lines of m365stage expected, $lines came" >&2
    exit 1
fi
