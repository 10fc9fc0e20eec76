#!/bin/bash
# The systemd units and the Debian package: what systemd says of the units, what lintian says of the package, and a real
# dpkg that installs it into this machine's system seen through an overlay, where nothing of the machine is changed.
# BUILD names the build folder (default build/). No systemd runs here: units are checked, not started.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath "${BUILD:-build}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0
told() { printf '%-6s %s\n' "$1" "$2"; }
# expect WHAT COMMAND...: the command succeeds, or its output is shown and counted as a failure.
expect() {
    local what=$1
    shift
    if "$@" > "$work/out" 2>&1; then
        told ok "$what"
    else
        told FAIL "$what"
        sed 's/^/       /' "$work/out" | tail -n 40
        failures=$((failures + 1))
    fi
}

make_package() {
    # Only what is installed; the folder may be another one's build with tests.
    ninja -C "$build" --quiet m365stage manual_pages && (cd "$build" && cpack -G DEB -B "$work") &&
        mv "$work"/m365stage_*.deb "$work/package.deb"
}
expect "the package is made" make_package
[ "$failures" -eq 0 ] || exit 1
lints() { lintian --allow-root --fail-on error,warning "$work/package.deb"; }
expect "lintian has no errors and no warnings" lints
dpkg-deb -x "$work/package.deb" "$work/unpacked"

# The units stand on the targets of this machine.
prepare_units() {
    mkdir -p "$work/unpacked/bin" && cp /bin/kill "$work/unpacked/bin/" &&
        cp -a /usr/lib/systemd/system/*.target "$work/unpacked/usr/lib/systemd/system/"
}
units() {
    # 16: man is asked inside the root and finds no pages there; that they are there is checked below.
    systemd-analyze --root="$work/unpacked" verify "$@" 2>&1 | grep -v "Command 'man .*failed with code 16" > "$work/verify" || true
    cat "$work/verify"
    [ ! -s "$work/verify" ]
}
hardened() { systemd-analyze --root="$work/unpacked" security --offline=true --threshold=15 "$1"; }
prepare_units
for unit in m365stage.service m365stage@fabrikam.service; do
    expect "systemd-analyze verify $unit" units "$unit"
    expect "$unit has an exposure of 1.5 at most" hardened "$unit"
done
grep -h 'Overall exposure' "$work/out" | sed 's/^/       /'
names_everywhere() { # every socket, root and credential that the units know has its place
    systemd-sysusers --dry-run "$work/unpacked/usr/lib/sysusers.d/m365stage.conf" &&
        grep -q 'RestartPreventExitStatus=2 3' "$work/unpacked/usr/lib/systemd/system/m365stage.service.d/50-common.conf"
}
expect "sysusers knows the user; no restart after what only a person can mend" names_everywhere
# Every command that the program has is in the manual, and the manual has no error.
manual() {
    local page=$work/unpacked/usr/share/man/man1/m365stage.1.gz name text
    text=$(zcat "$page" | sed 's/\\-/-/g')
    commands() { "$build/daemon/m365stage" "$@" --help | sed -n '/^Subcommands:/,/^[^ ]/s/^  \([a-z-]*\) .*/\1/p'; }
    for name in $(commands); do
        for sub in "" $(commands "$name"); do
            grep -qx ".SS m365stage $name${sub:+ $sub}" <<< "$text" || {
                echo "m365stage(1) has nothing about $name $sub"
                return 1
            }
        done
    done
    local warnings
    warnings=$(for page in man1/m365stage.1 man5/m365stage.yaml.5; do
        MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$work/unpacked/usr/share/man/$page.gz" 2>&1 > /dev/null
    done)
    echo "$warnings"
    [ -z "$warnings" ]
}
expect "every command is in m365stage(1); groff has no complaint" manual
completes() { # completes WORDS...: what bash offers for the last of them
    bash -c '
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _m365stage; printf "%s\n" "${COMPREPLY[@]}"' \
        bash "$work/unpacked/usr/share/bash-completion/completions/m365stage" "$@"
}
completion() {
    [ "$(completes "$build/daemon/m365stage" sta)" = status ] &&
        [ "$(completes "$build/daemon/m365stage" --config x status --cont)" = --containers ] &&
        [ "$(completes "$build/daemon/m365stage" guard app)" = approve ] &&
        completes "$build/daemon/m365stage" verify -- | grep -qx -e --tree
}
expect "bash completes commands, their options and their commands" completion

# The service works under nothing but the calls that the unit allows; any other one would kill it.
filtered() {
    mkdir -p "$work/filtered/daemon" "$work/filtered/tests"
    ln -s "$build/tests/simulator" "$work/filtered/tests/simulator"
    cat > "$work/filtered/daemon/m365stage" << END
#!/bin/sh
case " \$* " in
    *" serve "*) exec /usr/bin/python3 $PWD/tests/package/filtered.py $PWD/systemd/common.conf $build/daemon/m365stage "\$@" ;;
    *) exec $build/daemon/m365stage "\$@" ;;
esac
END
    chmod +x "$work/filtered/daemon/m365stage"
    tests/scenario/run.sh --build "$work/filtered" --only lease --only service_alone
}
forbidden() { # the filter bites: a call that no service needs ends the program
    ! /usr/bin/python3 tests/package/filtered.py systemd/common.conf /usr/bin/unshare --mount true
}
expect "passes, leases, hooks and reload under the unit's SystemCallFilter" filtered
expect "a call outside of it would have been noticed" forbidden

# A root of its own: this machine's system below, an empty layer above that takes every change.
cat > "$work/inside.sh" << 'END'
set -eu
mount -t tmpfs none "$1" && mkdir "$1/upper" "$1/overlay-work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/overlay-work" "$1/root"
mount -t proc none "$1/root/proc"
mount -t tmpfs none "$1/root/run"
mkdir "$1/root/tmp/package"
cp "$2" "$1/root/tmp/package/m365stage.deb"
cp "$3" "$1/root/tmp/package/test.sh"
chroot "$1/root" sh -eu /tmp/package/test.sh
# What the upper layer has and this machine has not was left behind; a device 0/0 in it hides a file of this machine.
# The user stays, as Debian has it: files may still belong to it.
cd "$1/upper"
find . -mindepth 1 \( -path ./tmp -o -path ./var/lib/dpkg -o -path ./var/log -o -path ./var/cache \) -prune -o -print |
    while read -r name; do
        if [ -c "$name" ]; then echo "$name is gone"; elif [ ! -e "/$name" ] && [ ! -L "/$name" ]; then echo "$name is left"; fi
    done > "$1/differs"
if [ -s "$1/differs" ]; then cat "$1/differs"; exit 1; fi
END
cat > "$work/test.sh" << 'END'
cd /
stop() { echo "$*"; exit 1; }
if [ "$(dpkg-query -W -f '${db:Status-Status}' m365stage 2> /dev/null)" ]; then dpkg --purge m365stage; fi
dpkg -i /tmp/package/m365stage.deb
[ "$(stat -c '%U %a' /etc/m365stage/credentials)" = "root 700" ] || stop "credentials: wrong owner or mode"
getent passwd m365stage > /dev/null || stop "there is no user m365stage"
code=0
m365stage check > /tmp/check 2>&1 || code=$?
cat /tmp/check
[ $code -eq 2 ] || stop "m365stage check of the default configuration ended with $code, not with 2"
grep -q 'config.yaml:.*tenant.id: the key is missing; expected a domain' /tmp/check || stop "check does not say what to fill in"
grep -q 'app.client_id: the key is missing' /tmp/check || stop "check does not name app.client_id"
m365stage --version
sed -i 's/  # id: .*/  id: contoso.onmicrosoft.com/' /etc/m365stage/config.yaml
dpkg -i /tmp/package/m365stage.deb < /dev/null
grep -q '^  id: contoso' /etc/m365stage/config.yaml || stop "an upgrade overwrote the configuration"
dpkg --remove m365stage
[ -e /etc/m365stage/config.yaml ] || stop "removing took the configuration away"
[ ! -e /usr/bin/m365stage ] || stop "removing left the program"
mkdir -p /var/lib/m365stage/tree
dpkg --purge m365stage
[ -d /var/lib/m365stage/tree ] || stop "purging took what is staged away"
rm -rf /var/lib/m365stage
END
in_a_root() {
    mkdir "$work/layers"
    unshare --mount sh "$work/inside.sh" "$work/layers" "$work/package.deb" "$work/test.sh"
}
expect "dpkg installs, upgrades, removes and purges it; check of the default configuration says what to fill in" in_a_root
grep -E '^FAIL' "$work/out" | sed 's/^/       /' || true
echo
if [ "$failures" -gt 0 ]; then
    echo "package: $failures failed"
    exit 1
fi
