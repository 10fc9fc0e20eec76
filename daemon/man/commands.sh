#!/bin/sh
# The COMMANDS section of m365stage(1), from what the program says of itself.
#   commands.sh M365STAGE TEMPLATE MANPAGE
set -eu
program=$1 template=$2 page=$3
escape() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/"; }
# Names of the commands in the help on standard input.
names() { sed -n '/^Subcommands:/,/^[^ ]/s/^  \([a-z][a-z-]*\) .*/\1/p'; }
# command WORDS...: its help, and that of its own commands.
command() {
    echo ".SS m365stage $*" | sed 's/-/\\-/g'
    echo .nf
    "$program" "$@" --help | sed -e '/^Usage:/d' -e '/--help /d' | sed '/^Options:$/{N;/\n$/d}' | escape
    echo .fi
    for sub in $("$program" "$@" --help | names); do command "$@" "$sub"; done
}
for name in $("$program" --help | names); do command "$name"; done > "$page.commands"
sed -e "/^@MAN_COMMANDS@\$/{
r $page.commands
d
}" "$template" > "$page"
rm -f "$page.commands"
