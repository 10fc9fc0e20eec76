#!/usr/bin/env python3
"""Compiles each header of lib alone: a header includes what it uses.

Syntax only, two at a time. What compiled before is not compiled again while neither it nor any header of ours has
changed: the results are kept in build/lint. CXX names the compiler (default: clang++-19)."""
import concurrent.futures
import hashlib
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = ROOT / "build" / "lint" / "headers"
COMPILER = os.environ.get("CXX", "clang++-19")
FLAGS = [
    "-std=c++20", "-fsyntax-only", "-x", "c++", "-Wall", "-Wextra", "-Wno-pragma-once-outside-header", "-Werror",
    "-DBOOST_ASIO_SEPARATE_COMPILATION", "-DBOOST_BEAST_SEPARATE_COMPILATION", "-DBOOST_ASIO_NO_DEPRECATED",
    "-DBOOST_ASIO_DISABLE_BOOST_COROUTINE", "-I", str(ROOT / "lib"),
]


def key_of(headers):
    """Changes when any header or the way of compiling changes."""
    digest = hashlib.sha256(" ".join([COMPILER, *FLAGS]).encode())
    for path in headers:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def compile_alone(path):
    # Included twice: this shows a missing #pragma once as well.
    source = f'#include "{path}"\n#include "{path}"\n'
    done = subprocess.run([COMPILER, *FLAGS, "-"], input=source, capture_output=True, text=True)
    return path, done.returncode, done.stderr


def main():
    headers = sorted((ROOT / "lib").rglob("*.hpp"))
    CACHE.mkdir(parents=True, exist_ok=True)
    stamp = CACHE / key_of(headers)
    if stamp.exists():
        return 0
    bad = 0
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        for path, code, text in pool.map(compile_alone, headers):
            if code != 0:
                bad += 1
                print(f"{path.relative_to(ROOT)} does not compile alone:\n{text}")
    if bad == 0:
        for old in CACHE.iterdir():
            old.unlink()
        stamp.touch()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
