#!/bin/bash
# From a fresh Debian 12 to a staged tenant: builds m365stage and m365sim (a stand-in for Microsoft 365 that runs
# on this machine), stages a demo tenant with real files in it, and shows what a pass does and what it leaves alone.
#
#   examples/quickstart.sh [--keep] [FOLDER]
#
# FOLDER (default build/demo) is made, and made anew on every run; --keep leaves the demo tenant running at the end.
# Run it as root, or as a user with sudo: only the installation of packages needs it.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=no
folder=build/demo
while [ $# -gt 0 ]; do
    case $1 in
        --keep) keep=yes ;;
        -h | --help)
            sed -n '2,8s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        -*)
            echo "quickstart: unknown option $1; usage: examples/quickstart.sh [--keep] [FOLDER]" >&2
            exit 2
            ;;
        *) folder=$1 ;;
    esac
    shift
done

if [ -t 1 ]; then
    bold=$(printf '\033[1m') plain=$(printf '\033[0m')
else
    bold='' plain=''
fi
title() { printf '\n%s== %s%s\n' "$bold" "$*" "$plain"; }
# show COMMAND...: says what is run, and runs it.
show() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@"
}
stop() {
    echo "quickstart: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        command -v sudo > /dev/null || stop "run this as root (there is no sudo): $*"
        sudo "$@"
    fi
}

install_packages() {
    sh tests/install.sh build
    if ! command -v curl > /dev/null; then
        echo "installing: curl"
        as_root apt-get install -y -qq --no-install-recommends curl
    fi
}

# The same build folder as tests/run.sh; a folder that another compiler made is of no use.
build() {
    if [ -f build/CMakeCache.txt ] && ! grep -q '^CMAKE_CXX_COMPILER:[A-Z]*=.*clang++-19$' build/CMakeCache.txt; then
        rm -rf build
    fi
    mkdir -p build
    CXX=clang++-19 cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release > build/configure.log 2>&1 || {
        cat build/configure.log >&2
        stop "cmake failed"
    }
    ninja -C build m365stage m365sim
}

# The process of the demo tenant that this folder started, if it runs.
simulator_pid() {
    local pid
    pid=$(cat "$demo/tenant.pid" 2> /dev/null) || return 1
    # The number alone could belong to another process by now.
    tr '\0' ' ' 2> /dev/null < "/proc/$pid/cmdline" | grep -qF "m365sim --dir $demo/tenant " || return 1
    echo "$pid"
}

stop_simulator() {
    local pid
    pid=$(simulator_pid) || return 0
    kill "$pid" 2> /dev/null || true
    while [ -e "/proc/$pid/exe" ]; do sleep 0.05; done
    rm -f "$demo/tenant.pid"
}

# A folder of its own, made anew; never one that holds something else.
prepare_folder() {
    if [ -d "$folder" ] && [ ! -e "$folder/.m365stage-demo" ] && [ -n "$(ls -A "$folder")" ]; then
        stop "$folder is not empty and was not made by this script: name another folder"
    fi
    mkdir -p "$folder"
    demo=$(cd "$folder" && pwd)
    touch "$demo/.m365stage-demo"
    stop_simulator
    rm -rf "$demo/tenant" "$demo/tenant.json" "$demo/stage" "$demo/documents"
    mkdir -m 700 "$demo/tenant" "$demo/documents"
}

# Up to 3,000 real files of this machine, with their times: what a person's OneDrive may hold.
collect_documents() {
    find /usr/share/doc /usr/share/common-licenses /usr/share/perl /usr/include \
        -type f -readable -size -1024k -printf '%P\t%p\0' 2> /dev/null |
        LC_ALL=C sort -z | cut -z -f2 > "$demo/tenant/files" || true
    head -z -n 3000 "$demo/tenant/files" | tar -C / --null --no-recursion -T - -cf - 2> "$demo/tenant/tar.log" |
        tar -C "$demo/documents" -xf -
    # One folder less to walk through.
    mv "$demo/documents/usr/"* "$demo/documents/" && rmdir "$demo/documents/usr"
    [ -n "$(find "$demo/documents" -type f -print -quit)" ] || stop "found no files to fill a OneDrive with"
}

# said KEY: a value of the JSON line that m365sim prints when it is ready.
said() { sed -n "s|.*\"$1\":\"\([^\"]*\)\".*|\1|p" "$demo/tenant.json"; }

start_simulator() {
    build/tests/simulator/m365sim --dir "$demo/tenant" --seed 7 --users 3 --sites 2 --groups 1 --files-per-drive 100 \
        --import "documents=$demo/documents" > "$demo/tenant.json" 2> "$demo/tenant.log" &
    echo $! > "$demo/tenant.pid"
    until grep -q '}$' "$demo/tenant.json" 2> /dev/null; do
        [ -d "/proc/$(cat "$demo/tenant.pid")" ] || {
            cat "$demo/tenant.log" >&2
            stop "the demo tenant did not start"
        }
        sleep 0.05
    done
}

write_configuration() {
    cat > "$demo/config.yaml" << END
# The demo tenant. For a real one: leave out limits and endpoints, and see README.md, "Connect your tenant".
tenant:
  id: $(said tenant)
app:
  client_id: $(said client_id)
  certificate_file: $(said certificate_file)
limits:
  sharepoint_units_per_minute: unlimited
endpoints:
  login: $(said login)
  graph: $(said graph)
  ca_file: $(said ca_file)
stage:
  root: $demo/stage
  min_free_bytes: 100MiB
kinds: [onedrive, sharepoint, groups, mail, calendar, contacts, tasks]
END
}

# tenant PATH [JSON]: the demo tenant's own door, by which an invisible person works in it.
tenant() {
    local path=$1
    shift
    curl -sS --fail-with-body --cacert "$(said ca_file)" "$(said admin)/$path" ${1:+-d "$1"} || {
        echo >&2
        stop "the demo tenant refused: $path ${1:-}"
    }
}
# counted KIND...: requests of those kinds since the last reset.
counted() {
    local answer kind sum=0
    answer=$(tenant requests)
    for kind in "$@"; do
        sum=$((sum + $(sed -n "s/.*\"$kind\":\([0-9]*\).*/\1/p" <<< "$answer")))
    done
    echo "$sum"
}
change() {
    echo "  in the tenant: $1"
    tenant op "$2" > /dev/null
}

# stage ARGUMENTS...: m365stage on the demo's configuration. Exit code 1 (some items failed, and are listed) goes on:
# the demo tenant holds a file with malware, which Microsoft 365 serves to nobody.
stage() {
    # What a checkout does not have yet is passed over.
    grep -q "^  $1 " <<< "$commands" || return 0
    printf '%s$ m365stage --config %s/config.yaml %s%s\n' "$bold" "$folder" "$*" "$plain"
    local code=0
    build/daemon/m365stage --config "$demo/config.yaml" "$@" || code=$?
    [ "$code" -le 1 ] || stop "m365stage $* ended with exit code $code"
}

# Every file and folder of the tree by inode, ctime, mtime, mode and size: what a backup program goes by.
inventory() { (cd "$demo/stage" && find tree -printf '%P\t%i\t%C@\t%T@\t%m\t%s\n' | LC_ALL=C sort); }

tree_samples() {
    (
        cd "$demo/stage"
        echo "\$ ls, the staged drives:"
        ls -1d tree/users/*/onedrive tree/groups/*/files tree/sites/*/*/*/libraries/*
        echo
        echo "\$ find, some of a mailbox:"
        find tree/users/ada@* \( -name '*.eml' -o -name '*.ics' -o -name '*.vcf' -o -path '*/tasks/*.json' \) \
            -not -path '*/.m365/*' | LC_ALL=C sort | awk -F / '++seen[$4] <= 2'
        echo
        show ls -lA "tree/users/documents@contoso.example/onedrive/notes"
        echo
        show cat "tree/users/documents@contoso.example/onedrive/notes/.m365/monday.txt.json"
        echo
        show du -sh tree
        echo "$(find tree -type f -not -path '*/.m365*/*' | wc -l) files, $(find tree -name '*.json' -path '*/.m365/*' |
            wc -l) metadata files (sidecars) beside them"
    )
}

first_pass() {
    title "4. The first pass: everything is fetched"
    stage sync
    echo
    tree_samples
    title "What is known about it"
    stage status
    echo
    stage ls | sed -n '1,12p'
    echo "(the first 12 lines)"
}

second_pass() {
    title "5. The second pass: nothing changed, so nothing is touched"
    inventory > "$demo/before.txt"
    tenant requests/reset '{}' > /dev/null
    stage sync
    inventory > "$demo/after.txt"
    cmp "$demo/before.txt" "$demo/after.txt" || stop "the second pass touched the tree"
    echo
    echo "Compared: inode, ctime, mtime, mode and size of $(wc -l < "$demo/after.txt") files and folders: all the same."
    echo "The tenant counted $(counted delta delta_page) delta requests and $(counted download) downloads."
}

third_pass() {
    title "6. People work in the tenant, and a third pass follows"
    change "a file is edited" \
        '{"op":"edit","user":"documents","path":"notes/monday.txt","text":"Monday: the plan has changed.\n"}'
    change "a file is written" \
        '{"op":"create","user":"documents","type":"file","path":"notes/tuesday.txt","text":"Tuesday: new.\n"}'
    change "a file is deleted" '{"op":"delete","user":"documents","path":"notes/old.txt"}'
    change "a file is shared (only its metadata changes)" \
        '{"op":"share","user":"documents","path":"notes/shared.txt","role":"read","email":"ada@contoso.example"}'
    change "a folder with $(find "$demo/documents/share" -type f | wc -l) files is renamed" \
        '{"op":"rename","user":"documents","path":"share","name":"shared documentation"}'
    tenant requests/reset '{}' > /dev/null
    echo
    stage sync
    echo
    stage changes
    inventory > "$demo/after.txt"
    # Keyed by inode, so that a file below a renamed folder is the same file still.
    local same
    same=$(LC_ALL=C join -t "$(printf '\t')" \
        <(cut -f2- "$demo/before.txt" | LC_ALL=C sort) <(cut -f2- "$demo/after.txt" | LC_ALL=C sort) -j 1 -o 1.1,1.2,2.2 |
        awk -F '\t' '$2 == $3' | wc -l)
    echo
    echo "$same of $(wc -l < "$demo/after.txt") files and folders kept inode and ctime; the tenant counted" \
        "$(counted download) downloads."
}

goodbye() {
    title "Done"
    cat << END
  $folder/stage/tree        the staged tenant: what a Bareos FileSet names
  $folder/stage/index.db    the change index (SQLite)
  $folder/config.yaml       the configuration of this demo
  build/daemon/m365stage    the program; every command has --help

Look further:
  build/daemon/m365stage --config $folder/config.yaml ls 'users/ada@*'
  build/daemon/m365stage --config $folder/config.yaml verify
  find $folder/stage/tree/users/documents@contoso.example -name '*.json' | head
END
    if [ "$keep" = yes ]; then
        cat << END

The demo tenant goes on running at $(said graph). Change something in it, and sync again:
  curl --cacert $demo/tenant/ca.pem $(said admin)/change -d '{"seed":1,"count":20}'
  build/daemon/m365stage --config $folder/config.yaml sync
Stop it:
  kill $(cat "$demo/tenant.pid")
END
    else
        cat << END

The demo tenant is stopped. With 'examples/quickstart.sh --keep' it goes on running, to change things in it and to
sync again.
END
    fi
    cat << END
Next: README.md, "Connect your tenant". Remove this demo: rm -rf $folder
END
}

title "1. Packages of Debian 12"
install_packages
title "2. Build (some minutes the first time)"
build
title "3. A demo tenant, with files of this machine in it"
prepare_folder
trap '[ "$keep" = yes ] && [ "${finished:-no}" = yes ] || stop_simulator' EXIT
collect_documents
mkdir "$demo/documents/notes"
for name in monday old shared; do
    echo "A note: $name." > "$demo/documents/notes/$name.txt"
done
start_simulator
write_configuration
commands=$(build/daemon/m365stage --help)
echo "$(find "$demo/documents" -type f | wc -l) files ($(du -sh "$demo/documents" | cut -f1)) are one person's OneDrive;" \
    "three more people, two sites and a team are made up."
first_pass
second_pass
third_pass
finished=yes
goodbye
