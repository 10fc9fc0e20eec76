#!/usr/bin/env python3
"""Checks that every #include keeps to the arrows between modules and to the places of third-party headers.

The arrows are those of lib/README.md; what a module may use includes what the modules below it may use.
Run without arguments from anywhere; prints one line for each include that leaves the rules."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# module: the modules that it stands on directly
ARROWS = {
    "core": [],
    "async": ["core"],
    "config": ["core"],
    "http": ["async"],
    "index": ["async"],
    "tree": ["async"],
    "auth": ["http"],
    "graph": ["auth"],
    "sources": ["graph", "index", "tree"],
    "sync": ["sources"],
    "restore": ["graph", "tree", "sources"],
    "api": ["sync"],
    "daemon": ["api", "restore", "config"],
}

# A third-party header: where it may be included. A module of None means all of them.
THIRD_PARTY = [
    (r"boost/beast", {"http", "api"}, ".cpp"),
    (r"boost/asio/(ssl|impl/src|ssl/impl/src)", {"http", "api", "async"}, ".cpp"),
    (r"openssl/types\.h", {"core", "http", "auth"}, None),  # forward declarations only
    (r"openssl/crypto\.h", {"core", "http", "auth", "daemon"}, ".cpp"),  # daemon: what --version tells
    (r"openssl/", {"core", "http", "auth"}, ".cpp"),
    (r"nlohmann/json\.hpp", None, ".cpp"),
    (r"valijson/", {"config"}, ".cpp"),
    (r"yaml-cpp/", {"config"}, ".cpp"),
    (r"sqlite3\.h", {"index", "daemon"}, ".cpp"),
    (r"zlib\.h", {"http", "daemon"}, ".cpp"),
    (r"spdlog/", {"core"}, ".cpp"),
    (r"CLI/", {"daemon"}, None),
    (r"systemd/", {"core", "daemon"}, ".cpp"),
    (r"prometheus/", {"api"}, ".cpp"),
    (r"libical/", {"sources"}, ".cpp"),
    (r"gmime/", {"restore"}, ".cpp"),
]

# Headers of ours that wrap an expensive one: they are bound by its rule in its place.
WRAPPERS = {"graph/json.hpp"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def below(module):
    """The module and everything under it."""
    found = {module}
    for lower in ARROWS[module]:
        found |= below(lower)
    return found


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_own(module, target):
    """What is wrong with including a header of ours; empty if nothing is."""
    folder = target.split("/")[0]
    if folder == "daemon" and module == "daemon" and (ROOT / target).exists():
        return ""
    if "/" not in target or folder not in ARROWS or folder == "daemon":
        return "is not named from lib/ as module/header.hpp"
    if not (ROOT / "lib" / target).exists() and not (ROOT / "lib" / folder).is_dir():
        return "does not exist"
    if folder not in below(module):
        return f"leaves the arrows: {module} may use {', '.join(sorted(below(module) - {module})) or 'nothing'}"
    return ""


def check_third_party(module, suffix, target):
    for pattern, modules, wanted_suffix in THIRD_PARTY:
        if not re.match(pattern, target):
            continue
        # The first pattern that fits decides.
        if modules is not None and module not in modules:
            return f"belongs into {', '.join(sorted(modules))} alone"
        if wanted_suffix is not None and suffix != wanted_suffix:
            return f"belongs into {wanted_suffix} files alone: it is expensive to compile"
        return ""
    return ""


def check_file(module, path):
    is_wrapper = path.parent.name + "/" + path.name in WRAPPERS
    text = path.read_text(errors="replace")
    if path.suffix == ".hpp" and "#pragma once" not in text:
        yield 1, "a header without #pragma once"
    suffix = ".cpp" if is_wrapper else path.suffix
    for found in INCLUDE.finditer(text):
        kind, target = found.groups()
        own = kind == '"'
        what = check_own(module, target) if own else check_third_party(module, suffix, target)
        if own and not what and target in WRAPPERS and path.suffix != ".cpp":
            what = "belongs into .cpp files alone: it is expensive to compile"
        if what:
            yield line_of(text, found.start()), f"{target} {what}"


def files():
    for module in ARROWS:
        folder = ROOT / "daemon" if module == "daemon" else ROOT / "lib" / module
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".hpp", ".cpp"):
                yield module, path


def main():
    bad = 0
    for folder in sorted((ROOT / "lib").iterdir()):
        if folder.is_dir() and folder.name not in ARROWS and any(folder.rglob("*.?pp")):
            print(f"lib/{folder.name}: a module without a place among the arrows (tests/lint/includes.py)")
            bad += 1
    for module, path in files():
        for line, what in check_file(module, path):
            print(f"{path.relative_to(ROOT)}:{line}: {what}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
