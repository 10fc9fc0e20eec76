"""Power cuts: what was not synced may be lost, in part or as a whole."""

import os
import random
import shutil
import subprocess

from cases import scenario
from harness import Failed, Skipped, World, check, check_index, compare, walk

FIELDS = {b"R": 3, b"C": 1, b"M": 1, b"D": 1, b"W": 1, b"S": 0}
HERE = os.path.dirname(os.path.abspath(__file__))


class Recorder:
    """powercut.c beside m365stage, and what it wrote down."""

    def __init__(self, w):
        self.w = w
        self.library = os.path.join(w.folder, "powercut.so")
        self.log = os.path.join(w.folder, "steps")
        self.safe = os.path.join(w.folder, "safe")
        needs = subprocess.run(["ldd", w.stage.binary], capture_output=True, text=True, check=False).stdout
        if "libasan" in needs or "libtsan" in needs:
            raise Skipped("a sanitizer's library wants to be the first one")
        done = subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", self.library,
                               os.path.join(HERE, "../powercut.c"), "-ldl", "-lpthread"],
                              capture_output=True, text=True, check=False)
        check(done.returncode == 0, f"powercut.c does not compile: {done.stderr}")

    def run(self, step):
        """A pass that is cut off at its step number `step`, if it has so many. True if it was."""
        shutil.rmtree(self.safe, ignore_errors=True)
        os.makedirs(self.safe)
        if os.path.exists(self.log):
            os.remove(self.log)
        self.copy_index(self.w.stage.root, self.safe)  # what lies there was synced by whoever was here before
        stage = self.w.stage
        done = subprocess.run(
            [stage.binary, "--config", stage.config_file, "sync"], capture_output=True, check=False, timeout=300,
            env={**os.environ, "LD_PRELOAD": self.library, "POWERCUT_LOG": self.log, "POWERCUT_SAFE": self.safe,
                 "POWERCUT_INDEX": stage.root, "POWERCUT_STEP": str(step)})
        check(done.returncode in (0, 1, -9), f"sync ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.returncode == -9

    @staticmethod
    def copy_index(source, target):
        for name in ("index.db", "index.db-wal", "index.db-shm"):
            there = os.path.join(target, name)
            if os.path.exists(there):
                os.remove(there)
            if name != "index.db-shm" and os.path.exists(os.path.join(source, name)):
                shutil.copyfile(os.path.join(source, name), there)
                os.chmod(there, 0o600)

    def unsynced(self):
        """Records behind the last barrier."""
        with open(self.log, "rb") as f:
            fields = f.read().split(b"\0")[:-1]
        records = []
        at = 0
        while at < len(fields):
            size = FIELDS[fields[at]] + 1
            records.append(fields[at:at + size])
            at += size
        last = max((n for n, r in enumerate(records) if r[0] == b"S"), default=-1)
        return records[last + 1:]

    def lose(self, records, data, index):
        """Takes the steps back, latest first; loses what was written into files, and the index' last transactions."""
        root = os.fsencode(self.w.stage.root)
        if data:
            lost = {int(r[1]) for r in self.unsynced() if r[0] == b"W"}
            for path, facts in walk(root):
                name = os.path.basename(path)
                if facts.st_ino in lost and not name.startswith((b"index.db", b".lock")):
                    os.truncate(os.path.join(root, path), 0)
        for r in reversed(records):
            self.take_back(r)
        if index:
            self.copy_index(self.safe, self.w.stage.root)
        self.w.stage.write("DELETE FROM setting WHERE key='boot'")  # the machine starts anew

    @staticmethod
    def take_back(r):
        if r[0] == b"R":
            if os.path.lexists(r[2]):
                os.rename(r[2], r[1])
            if r[3]:
                os.rename(r[3], r[2])
        elif r[0] == b"C" and not os.path.basename(r[1]).startswith((b"index.db", b".lock")):
            if os.path.lexists(r[1]):
                os.remove(r[1])
        elif r[0] == b"M" and os.path.isdir(r[1]):
            os.rmdir(r[1])
        elif r[0] == b"D":
            os.mkdir(r[1], 0o700)


@scenario
def power_cut(options):
    """power cuts at random steps lose what was not synced: the index never claims it, and all of it comes back"""
    dice = random.Random(options.seed * 104729)
    cuts = lost = read = 0
    with World(options, "power", "--seed", options.seed, "--users", 2, "--sites", 1, "--files-per-drive", 30) as w:
        w.stage.configure(sync={"concurrency": 8})
        w.sim.page_size(25)
        recorder = Recorder(w)
        w.stage.finish()  # an index to look at
        while cuts < 40 * options.rounds:
            if not recorder.run(1 + int(1500 * dice.random() ** 2)):
                w.sim.change(dice.randrange(10**9), 120)  # a pass that came to its end: new work
            cuts += 1
            records = recorder.unsynced()
            kept = dice.choice((0, len(records), dice.randrange(len(records) + 1)))
            data, index = dice.random() < 0.5, dice.random() < 0.5
            told = f"cut {cuts}, {len(records)} steps not synced, {kept} kept, data lost: {data}, index lost: {index}"
            lost += len(records) - kept
            try:
                recorder.lose(records[kept:], data, index)
                w.stage.finish()
                read += check_index(w.stage)
                if cuts % 5 == 0:
                    w.stage.hurry()
                    w.stage.sync(expect=(0, 1))
                    compare(w.stage)
                    w.sim.change(dice.randrange(10**9), 120)
            except Failed as e:
                raise Failed(f"{told}: {e}") from e
    check(lost > 0 and read > 0, "nothing was ever lost, so nothing is shown")
    return f"{cuts} power cuts took {lost} steps back, {read} files checked on the way"
