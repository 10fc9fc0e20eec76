#!/bin/sh
# Checks that the sources are formatted as .clang-format says; `--fix` formats them.
set -eu
cd "$(dirname "$0")/../.."
format=$(command -v clang-format-19) || { echo "clang-format-19 is missing: tests/install.sh test" >&2; exit 1; }
if [ "${1:-}" = --fix ]; then
    find lib daemon tests -name '*.[ch]pp' -print0 | xargs -0 -r "$format" -i
    exit 0
fi
# Only the names: what would change is one `--fix` and `git diff` away.
if ! found=$(find lib daemon tests -name '*.[ch]pp' -print0 | sort -z | xargs -0 -r "$format" --dry-run -Werror 2>&1); then
    printf '%s\n' "$found" | sed -n 's/^\([^: ]*\):[0-9]*:[0-9]*: error: .*/\1 is not formatted/p' | uniq
    echo "format them: tests/lint/format.sh --fix"
    exit 1
fi
