#!/usr/bin/env python3
"""Checks what is in the repository: a closed list at the top level, no unfinished-work marks, no generated files."""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = {"CMakeLists.txt", "README.md", "daemon", "examples", "lib", "schema", "systemd", "tests"}
# Written in two parts, so that this file does not find itself.
MARKS = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK|TB" r"D)\b")
CONFLICT = re.compile(r"^(<<<<<<<|>>>>>>>) ", re.M)
GENERATED = re.compile(r"(^|/)(build[^/]*|__pycache__|node_modules)/|\.(o|a|pyc|db|orig|rej)$")


def tracked():
    """The files in git and those that could be added; without git, all of them."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        out = subprocess.run(command, capture_output=True, check=True).stdout
        return [n for n in out.decode().split("\0") if n and (ROOT / n).is_file()]
    except (OSError, subprocess.CalledProcessError):
        names = (p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*") if p.is_file())
        return [n for n in names if not n.startswith((".git/", "build"))]


def problems(name):
    top = name.split("/")[0]
    if top not in TOP and not top.startswith("."):
        yield f"{name}: the top level holds {', '.join(sorted(TOP))} and dot files only"
    if GENERATED.search(name):
        yield f"{name}: a generated file"
    data = (ROOT / name).read_bytes()
    if b"\0" in data[:8192] or name.startswith("tests/data/"):
        return
    text = data.decode(errors="replace")
    for found in MARKS.finditer(text):
        yield f"{name}:{text.count(chr(10), 0, found.start()) + 1}: unfinished work is marked: {found.group(1)}"
    if CONFLICT.search(text):
        yield f"{name}: a merge conflict"
    if text and not text.endswith("\n"):
        yield f"{name}: no line break at the end"


def main():
    bad = 0
    for name in tracked():
        for line in problems(name):
            print(line)
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
