#!/bin/bash
# The tests of m365stage, all of them, from a fresh checkout on Debian 12. See tests/README.md.
#   tests/run.sh               everything but the sanitizer builds (about 20 minutes on two cores when nothing is built)
#   tests/run.sh --sanitizers  these too: g++ 12 with ASan, then with UBSan as well and all scenarios; clang++-19 with TSan
#   tests/run.sh --only STAGE  one stage: install lint build unit scenario thirdparty package e2e lifetime bench sanitizers threads tidy
# The last line is "N passed, N failed" (stages); the exit code is 1 if any stage failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

sanitize=no
only=
usage() {
    sed -n '2,6s/^# \{0,1\}//p' "$0"
}
while [ $# -gt 0 ]; do
    case $1 in
        --sanitizers) sanitize=yes ;;
        --only)
            only=${2:?--only needs the name of a stage}
            shift
            ;;
        -h | --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            exit 2
            ;;
    esac
    shift
done
case $only in
    "" | install | lint | build | unit | scenario | thirdparty | package | e2e | lifetime | bench | sanitizers | threads | tidy) ;;
    *)
        usage >&2
        exit 2
        ;;
esac

jobs=$(nproc)
passed=0
failed=0
summary=()

# stage NAME TITLE COMMAND...: runs one stage in a shell of its own, so that none can disturb the next.
stage() {
    local name=$1 title=$2 start=$SECONDS
    shift 2
    if [ -n "$only" ] && [ "$only" != "$name" ]; then
        return 0
    fi
    printf '\n=== %s: %s\n' "$name" "$title"
    local verdict=passed
    if ("$@"); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        verdict=FAILED
    fi
    local line
    line=$(printf '%-11s %-6s %5d s' "$name" "$verdict" $((SECONDS - start)))
    printf -- '--- %s\n' "$line"
    summary+=("$line")
}

# optional NAME TITLE SCRIPT: a stage whose script this checkout may not have.
optional() {
    if [ -e "$3" ]; then
        stage "$1" "$2" bash "$3"
    elif [ "$only" = "$1" ]; then
        echo "$3 is not in this checkout" >&2
        failed=$((failed + 1))
    fi
}

configure() {
    local folder=$1 compiler=$2
    shift 2
    # A build folder remembers its compiler; one made with another compiler is of no use.
    if [ -f "$folder/CMakeCache.txt" ] && ! grep -q "^CMAKE_CXX_COMPILER:[A-Z]*=.*$compiler\$" "$folder/CMakeCache.txt"; then
        rm -rf "$folder"
    fi
    CXX=$compiler cmake -S . -B "$folder" -G Ninja -DM365STAGE_WERROR=ON -DM365STAGE_TESTS=ON "$@" > "$folder.log" 2>&1 || {
        cat "$folder.log"
        return 1
    }
    rm -f "$folder.log"
}

build() {
    configure build clang++-19 -DCMAKE_BUILD_TYPE=Release && ninja -C build -j "$jobs" --quiet
}

# CTest's own summary, and the whole output of what failed.
ctest_in() {
    local folder=$1
    shift
    ctest --test-dir "$folder" --output-on-failure --no-tests=error -j "$jobs" --timeout 600 "$@"
}

# sanitized FOLDER COMPILER TESTS CMAKE-OPTION...: builds m365stage and the targets that match TESTS, and runs these and
# the caller's `scenarios`.
sanitized() {
    local folder=$1 compiler=$2 tests=$3
    shift 3
    # Two of the largest files at once need 3.5 GB.
    local memory_kb parallel=$jobs
    memory_kb=$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    if [ $((memory_kb / 2000000)) -lt "$parallel" ]; then
        parallel=$((memory_kb / 2000000 > 0 ? memory_kb / 2000000 : 1))
    fi
    configure "$folder" "$compiler" -DCMAKE_BUILD_TYPE=None "$@" || return 1
    local targets
    mapfile -t targets < <(ninja -C "$folder" -t targets all | sed -nE "s/^(($tests)_[a-z0-9_]+): phony\$/\1/p")
    if [ ${#targets[@]} -eq 0 ]; then
        echo "there are no unit tests to build"
        return 1
    fi
    ninja -C "$folder" -j "$parallel" --quiet m365stage "${targets[@]}" || return 1
    export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1
    ctest_in "$folder" -R "^($tests)_" || return 1
    # The simulator is not what is tested: the release build's does.
    tests/scenario/run.sh --build "$folder" --simulator build "${scenarios[@]}"
}

# With g++ 12: only there do the errors show that this compiler makes with coroutines.
# What CI affords: each module's coroutines, and the daemon through odd answers, lost cursors and a full disk.
lifetime() {
    local scenarios=(--only fault_kinds --only gone_cursors --only full_disk --only expired_urls --only revoked_tokens)
    sanitized build-lifetime g++ unit -DM365STAGE_SANITIZE=lifetime
}

# Everything, with UBSan as well.
sanitizers() {
    local scenarios=()
    sanitized build-asan g++ "unit|fuzz_replay" -DCMAKE_CXX_FLAGS=-O1 -DM365STAGE_SANITIZE=address
}

# Where threads meet: the network thread, the index', those for the disk, the API.
threads() {
    local scenarios=() name
    for name in random_changes kills lease lease_ends stops reload service_alone full_disk polled \
        restore_round_trip; do
        scenarios+=(--only "$name")
    done
    export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 exitcode=66"
    sanitized build-tsan clang++-19 "unit" -DCMAKE_CXX_FLAGS=-O1 -DM365STAGE_SANITIZE=thread
}

stage install "packages of Debian 12" sh tests/install.sh test
stage lint "rules that no compiler checks" bash tests/lint/run.sh
stage build "release build, clang++-19, warnings are errors" build
stage unit "CTest: unit tests and replayed fuzz cases" ctest_in build
optional scenario "the daemon against the simulated tenant" tests/scenario/run.sh
optional thirdparty "the simulated tenant against clients of others" tests/thirdparty/run.sh
optional package "systemd units and the Debian package" tests/package/run.sh
optional e2e "backup and restore with Bacula, configured by examples/bareos" tests/e2e/run.sh
if [ "$sanitize" = yes ] || [ "$only" = lifetime ]; then
    stage lifetime "m365stage and unit tests, g++ 12 with the address sanitizer" lifetime
fi
optional bench "a small benchmark run" tests/bench/smoke.sh
if [ "$sanitize" = yes ] || [ "$only" = sanitizers ]; then
    stage sanitizers "unit tests and all scenarios, g++ 12 with address and undefined behaviour sanitizers" sanitizers
fi

if [ "$sanitize" = yes ] || [ "$only" = threads ]; then
    stage threads "unit tests and scenarios in which threads meet, clang++-19 with the thread sanitizer" threads
fi
if [ "$only" = tidy ]; then
    stage tidy "clang-tidy over lib, daemon and the simulator" bash tests/lint/tidy.sh
fi

printf '\n=== summary (%d min %d s)\n' $((SECONDS / 60)) $((SECONDS % 60))
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
