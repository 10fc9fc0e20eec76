#!/bin/bash
# Runs every lint that is quick: one line for each, details only for those that fail.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
failed=0
lint() {
    local name=$1 start=$SECONDS output
    shift
    if output=$("$@" 2>&1); then
        printf 'ok    %-10s %3d s\n' "$name" $((SECONDS - start))
    else
        printf 'FAIL  %-10s %3d s\n' "$name" $((SECONDS - start))
        printf '%s\n' "$output" | sed 's/^/      /' | head -n 200
        failed=1
    fi
}
lint root python3 tests/lint/root.py
lint includes python3 tests/lint/includes.py
lint bareos python3 tests/lint/bareos.py
lint await-self python3 tests/lint/co_await.py --self-test
lint await python3 tests/lint/co_await.py
lint format tests/lint/format.sh
lint headers python3 tests/lint/headers.py
exit $failed
