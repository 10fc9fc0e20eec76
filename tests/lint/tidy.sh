#!/bin/bash
# Runs clang-tidy-19 with the checks of .clang-tidy. It needs a configured build with clang (build/ by default, else
# BUILD=folder), since it reads compile_commands.json.
#   tests/lint/tidy.sh FILE...     these files
#   tests/lint/tidy.sh --changed   what differs from origin/main (or from the last commit), within ten minutes
#   tests/lint/tidy.sh             all of lib and daemon: slow
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
tidy=$(command -v clang-tidy-19) || { echo "clang-tidy-19 is missing: tests/install.sh test" >&2; exit 1; }
if [ ! -f "$build/compile_commands.json" ]; then
    echo "there is no $build/compile_commands.json; configure first: cmake -B $build -G Ninja" >&2
    exit 1
fi

files=()
limit=7200
case "${1:-}" in
    --changed)
        limit=600
        base=$(git rev-parse -q --verify origin/main || git rev-parse -q --verify HEAD~1 || git rev-parse HEAD)
        mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- 'lib/*.cpp' 'daemon/*.cpp')
        ;;
    "") mapfile -t files < <(find lib daemon -name '*.cpp' | sort) ;;
    *) files=("$@") ;;
esac
if [ ${#files[@]} -eq 0 ]; then
    echo "no files to check"
    exit 0
fi
# Beast alone takes minutes for each file: one file that takes too long must not cost all others.
printf '%s\0' "${files[@]}" |
    timeout "$limit" xargs -0 -P 2 -n 1 timeout 300 "$tidy" -p "$build" --quiet --warnings-as-errors='*' 2> /dev/null
