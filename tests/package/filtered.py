#!/usr/bin/python3
"""Runs a command under the system calls that the unit allows; any other one ends it at once.

    filtered.py UNIT_FILE COMMAND...

systemd answers a call outside SystemCallFilter= with EPERM, which a program may overlook; here it is killed, so that a
test notices. What is in the sets, systemd itself is asked.
"""

import os
import subprocess
import sys

import seccomp


def members(name, known={}):
    """The calls of "@set" (and of the sets in it), or the call itself."""
    if not name.startswith("@"):
        return {name}
    if name not in known:
        told = subprocess.run(["systemd-analyze", "syscall-filter", name], capture_output=True, text=True, check=True)
        lines = [line.strip() for line in told.stdout.splitlines()[1:]]
        known[name] = set().union(*(members(line) for line in lines if line and not line.startswith("#")))
    return known[name]


def allowed(unit):
    """What is left after all SystemCallFilter= lines, in their order."""
    calls = set()
    with open(unit, encoding="utf-8") as f:
        for line in f:
            if not line.startswith("SystemCallFilter="):
                continue
            words = line.split("=", 1)[1].split()
            without = words[0].startswith("~")
            named = set().union(*(members(word.lstrip("~")) for word in words))
            calls = calls - named if without else calls | named
    return calls | members("@default")


def main():
    unit, command = sys.argv[1], sys.argv[2:]
    rules = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
    for name in sorted(allowed(unit)):
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):
            pass  # a call of another architecture
    rules.load()
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
