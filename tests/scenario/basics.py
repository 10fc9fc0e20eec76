"""What every part of the scenario tests uses: failing, walking a tree, hashing."""

import hashlib
import os
import signal

MOST_TOLD = 12  # differences shown of one comparison


class Failed(Exception):
    """A promise is broken; the message says which and where."""


class Skipped(Exception):
    """The scenario can't run here; the message says why."""


def check(condition, message):
    if not condition:
        raise Failed(message)


def walk(top):
    """Every name below `top` with its lstat; paths are bytes, relative."""
    top = os.fsencode(top)
    stack = [b""]
    while stack:
        folder = stack.pop()
        with os.scandir(os.path.join(top, folder)) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                yield path, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    stack.append(path)


def hash_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(
            f.read()
        ).hexdigest()


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
