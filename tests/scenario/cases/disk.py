"""Disks that are full, read-only, in pieces or damaged."""

import os
import subprocess

from cases import scenario
from harness import Skipped, Stage, World, check, check_index, compare


class Mount:
    """A small file system of its own."""

    def __init__(self, folder, size):
        self.folder = folder
        os.makedirs(folder, 0o700, exist_ok=True)
        self.call("mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "m365-scenario", folder)

    @staticmethod
    def call(*command):
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as e:
            raise Skipped(f"{command[0]}: {e}") from e
        if done.returncode != 0:
            raise Skipped(f"{' '.join(command[:3])} is not permitted: {done.stderr.strip()}")

    def remount(self, options):
        self.call("mount", "-o", "remount," + options, self.folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        subprocess.run(["umount", "-l", self.folder], check=False, capture_output=True)


def one_line(out):
    """What a person sees first: one line that starts with the program's name."""
    lines = [line for line in out.stderr.splitlines() if line.strip()]
    check(lines, "nothing was said")
    return lines[-1]


@scenario
def full_disk(options):
    """the disk is full: exit 5 with a clear line, nothing claimed; with room again, all is there"""
    with World(options, "full", "--seed", options.seed, "--users", 2, "--sites", 0, "--files-per-drive", 60,
               "--file-size-max", 200000) as w:
        told = []
        # Whatever hits the limit first: contents, sidecars, the index.
        for size in ("1m", "2m", "4m"):
            with Mount(os.path.join(w.folder, "small" + size), size) as disk:
                stage = Stage(options.build, w.sim, w.folder, os.path.join(disk.folder, "stage"))
                out = stage.sync(expect=5)
                line = one_line(out)
                check("space" in line.lower() or "full" in line.lower(), f"the line does not tell: {line}")
                told.append(line)
                if os.path.exists(os.path.join(stage.root, "index.db")):
                    disk.remount("size=" + str(int(size[:-1]) * 2 + 1) + "m")  # some room to look at the index
                    # What the full disk cut off is in the journal, and is finished first.
                    stage.finish(expect=(2, 5))
                    check_index(stage)
                disk.remount("size=100m")
                stage.sync(expect=(0, 1))
                compare(stage, quiet=True)
    return told[0]


@scenario
def low_disk(options):
    """stage.min_free_bytes: the pass stops before the disk is full"""
    with World(options, "low", "--seed", options.seed, "--users", 1, "--sites", 0) as w:
        with Mount(os.path.join(w.folder, "small"), "8m") as disk:
            stage = Stage(options.build, w.sim, w.folder, os.path.join(disk.folder, "stage"))
            stage.configure(stage={"min_free_bytes": "100MiB"})
            line = one_line(stage.sync(expect=5))
            check("min_free_bytes" in line, f"the line does not tell: {line}")
            stage.configure(stage={"min_free_bytes": 0})
            stage.sync(expect=(0, 1))
            compare(stage)
    return line


@scenario
def read_only_disk(options):
    """a file system that became read-only: exit 5; writable again: all is there"""
    with World(options, "readonly", "--seed", options.seed, "--users", 1, "--sites", 0) as w:
        with Mount(os.path.join(w.folder, "disk"), "100m") as disk:
            stage = Stage(options.build, w.sim, w.folder, os.path.join(disk.folder, "stage"))
            stage.sync(expect=(0, 1))
            w.sim.change(options.seed, 30)
            disk.remount("ro")
            line = one_line(stage.sync(expect=5))
            disk.remount("rw")
            stage.sync(expect=(0, 1))
            compare(stage, quiet=True)
    return line


@scenario
def damaged_index(options):
    """index.db is garbage: exit 5, and the way out is told"""
    told = ""
    with World(options, "damaged", "--seed", options.seed, "--users", 1, "--sites", 0) as w:
        w.stage.sync(expect=(0, 1))
        before = w.stage.snapshot()
        path = os.path.join(w.stage.root, "index.db")
        with open(path, "rb") as f:
            good = f.read()
        damages = {
            "garbage": os.urandom(len(good)),
            "its middle overwritten": good[:4096] + os.urandom(len(good) - 8192) + good[-4096:],
            "cut in half": good[: len(good) // 2],
        }
        for what, data in damages.items():
            for tail in ("-wal", "-shm"):
                if os.path.exists(path + tail):
                    os.remove(path + tail)
            with open(path, "wb") as f:
                f.write(data)
            out = w.stage.sync(expect=5)
            told = one_line(out)
            check("rebuild" in told, f"{what}: the line does not tell of 'index rebuild': {told}")
            check(w.stage.snapshot() == before, f"{what}: the tree was touched")
    return told


@scenario
def split_root(options):
    """spool/ or tree/ on another file system is refused: a rename could not be atomic"""
    line = ""
    with World(options, "split", "--seed", options.seed, "--users", 1, "--sites", 0) as w:
        for part in ("spool", "tree"):
            stage = Stage(options.build, w.sim, w.folder, os.path.join(w.folder, "stage-" + part))
            with Mount(os.path.join(stage.root, part), "10m"):
                line = one_line(stage.sync(expect=(2, 5)))
                check("file system" in line, f"the line does not tell: {line}")
                check(part in line, f"the line does not tell which: {line}")
    return line
