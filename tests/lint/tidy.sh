#!/bin/bash
# Runs clang-tidy-19 with the checks of .clang-tidy, each file by itself: batches (lib/precompiled.cmake) are no files that
# anybody wrote. So it has a build folder of its own, build-tidy, of which it builds what is generated.
#   tests/lint/tidy.sh FILE...     these files
#   tests/lint/tidy.sh --changed   what differs from origin/main (or from the last commit), within ten minutes
#   tests/lint/tidy.sh             all of lib, daemon and the simulator: some minutes for each core
set -euo pipefail
cd "$(dirname "$0")/../.."
build=build-tidy
tidy=$(command -v clang-tidy-19) || { echo "clang-tidy-19 is missing: tests/install.sh test" >&2; exit 1; }

files=()
limit=7200
case "${1:-}" in
    --changed)
        limit=600
        base=$(git rev-parse -q --verify origin/main || git rev-parse -q --verify HEAD~1 || git rev-parse HEAD)
        mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- 'lib/*.cpp' 'daemon/*.cpp' 'tests/simulator/*.cpp')
        ;;
    "") mapfile -t files < <(find lib daemon tests/simulator -name '*.cpp' | sort) ;;
    *) files=("$@") ;;
esac
if [ ${#files[@]} -eq 0 ]; then
    echo "no files to check"
    exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
prepare() {
    CXX=clang++-19 cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DM365STAGE_UNITY=OFF
    local generated
    mapfile -t generated < <(ninja -C "$build" -t targets all | sed -nE 's/^(lib\/generated\/[^:]*): .*/\1/p')
    ninja -C "$build" m365_precompiled_asio m365_precompiled_cli "${generated[@]}"
}
if ! prepare > "$log" 2>&1; then
    cat "$log"
    exit 1
fi
# Beast alone takes minutes for each file: one file that takes too long must not cost all others.
printf '%s\0' "${files[@]}" |
    timeout "$limit" xargs -0 -P "$(nproc)" -n 1 timeout 300 "$tidy" -p "$build" --quiet --warnings-as-errors='*' 2> /dev/null
