#!/bin/sh
# Installs what is needed on Debian 12, and does nothing (and needs no network) when all of it is there.
#   tests/install.sh build   to build m365stage
#   tests/install.sh test    to build it and to run every test (the default)
set -eu

mode=${1:-test}
build="clang-19 lld-19 cmake ninja-build ccache pkg-config libboost1.81-dev libssl-dev nlohmann-json3-dev
libsqlite3-dev libyaml-cpp-dev doctest-dev libspdlog-dev libfmt-dev libcli11-dev libvalijson-dev zlib1g-dev
libsystemd-dev libical-dev libgmime-3.0-dev prometheus-cpp-dev ca-certificates"
test="clang-format-19 clang-tidy-19 libclang-rt-19-dev g++ python3 curl openssl sqlite3 rclone nodejs npm
systemd procps faketime python3-icalendar python3-dateutil python3-vobject python3-yaml python3-jsonschema prometheus python3-seccomp chromium
bacula-director bacula-director-sqlite3 bacula-sd bacula-fd bacula-console lintian groff-base man-db"
case $mode in
    build) wanted=$build ;;
    test) wanted="$build $test" ;;
    *) echo "usage: tests/install.sh [build|test]" >&2; exit 2 ;;
esac

is_there() {
    # A Node.js package from elsewhere brings npm along.
    if [ "$1" = npm ] && command -v npm > /dev/null; then
        return 0
    fi
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

if ! command -v dpkg-query > /dev/null; then
    echo "tests/install.sh: this is no Debian system; install by hand what corresponds to: $wanted" >&2
    exit 1
fi
missing=
for package in $wanted; do
    is_there "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "all packages are installed"
    exit 0
fi

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo > /dev/null; then
        echo "tests/install.sh: run this as root (there is no sudo): apt-get install$missing" >&2
        exit 1
    fi
    as_root=sudo
fi
# The 1.74 development packages conflict with those of Boost 1.81; apt would remove them without a word.
if [ "$(dpkg-query -W -f '${db:Status-Status}' libboost1.74-dev 2> /dev/null)" = installed ]; then
    echo "tests/install.sh: libboost1.81-dev replaces libboost1.74-dev, which is installed" >&2
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq
# shellcheck disable=SC2086  # one word for each package
$as_root apt-get install -y -qq --no-install-recommends $missing
