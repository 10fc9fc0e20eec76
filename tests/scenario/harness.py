"""A world for one scenario, and all that a case needs to judge it: see basics, names, programs, judge."""

import shutil
import tempfile

from basics import Failed, Skipped, check, hash_of, kill, walk
from judge import (
    NOT_WRITABLE,
    Comparison,
    check_index,
    check_manners,
    check_quiet,
    check_same_tree,
    check_spool,
    compare,
)
from names import local_name, short_tag, sidecar_path, tagged_name
from programs import Simulator, Stage

__all__ = [
    "NOT_WRITABLE", "Comparison", "Failed", "Simulator", "Skipped", "Stage", "World", "check", "check_index", "check_manners",
    "check_quiet", "check_same_tree", "check_spool", "compare", "hash_of", "kill", "local_name", "short_tag", "sidecar_path",
    "tagged_name", "walk",
]


class World:
    """A folder, a simulator and a stage for one scenario; removed at the end, kept if it failed."""

    def __init__(self, options, name, *arguments):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix=f"m365-{name}-", dir=options.temp)
        self.sim = None
        self.arguments = arguments

    def __enter__(self):
        try:
            self.sim = Simulator(self.options.simulator, self.folder, *self.arguments)
            self.stage = Stage(self.options.build, self.sim, self.folder)
        except BaseException:
            if self.sim:
                self.sim.stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.sim.stop()
        if kind is None or issubclass(kind, Skipped):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"    kept: {self.folder}", flush=True)
