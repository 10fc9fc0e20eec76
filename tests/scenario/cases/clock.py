"""A clock that somebody sets: Debian's libfaketime between the program and the clock of the wall."""

import glob
import os
import subprocess
import time

from cases import scenario
from harness import Skipped, World, check, check_index, compare
from running import ask, before, hook, readiness, serving, wait_for_passes, wait_until

DAY = 86_400


class Clock:
    """The clock of the programs that are run with `environment`; everything else keeps the right one."""

    def __init__(self, options):
        found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
        if not found:
            raise Skipped("libfaketime is not there: apt-get install faketime")
        self.folder = options.temp or "/tmp"
        self.file = os.path.join(self.folder, f"m365-clock-{os.getpid()}-{id(self)}")
        self.environment = {**os.environ, "LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": self.file,
                            "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}
        self.ahead(0)
        works = subprocess.run([os.path.join(options.build, "daemon/m365stage"), "--version"], env=self.environment,
                               capture_output=True, check=False)
        if works.returncode != 0:
            self.end()
            raise Skipped("libfaketime does not work with this build")

    def ahead(self, seconds):
        with open(self.file + ".new", "w", encoding="ascii") as f:
            f.write(f"{seconds:+d}\n")
        os.rename(self.file + ".new", self.file)

    def end(self):
        os.unlink(self.file)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()


@scenario
def clock_set_while_serving(options):
    """a year ahead, then back beyond the truth: leases hold, passes go on, nothing is deleted, fresh is fresh"""
    with Clock(options) as clock, serving(options, "clock", "--users", 2, "--sites", 0, "--specials", 0,
                                          environment=clock.environment) as (w, service):
        wait_until(lambda: readiness(w.stage)[0] == 200, "the first pass", longest=60)
        for job, (ahead, said) in enumerate(((365 * DAY, "set forward"), (-12 * 3600, "set back")), 1):
            before(w.stage, str(job))
            w.sim.change(options.seed + job, 20)
            held = w.stage.snapshot()
            clock.ahead(ahead)
            wait_until(lambda said=said: said in service.log(), f"the log says that the clock was {said}")
            wait_for_passes(w.stage)
            check(w.stage.snapshot() == held, f"the tree moved under a lease when the clock was {said}")
            leases = ask(w.stage, "GET", "/api/v1/leases").document()["leases"]
            check([lease["job_id"] for lease in leases] == [str(job)], f"leases: {leases}")
            check(readiness(w.stage)[0] == 200, f"not ready after the clock was {said}: {readiness(w.stage)}")
            hook(w.stage, "after-job", "--jobid", str(job), "--status", "OK")
            wait_for_passes(w.stage)
            # What a job calls fresh was looked at after the change, whatever the clock says.
            w.sim.change(options.seed + 10 + job, 20)
            before(w.stage, f"9{job}")
            check_index(w.stage)
            hook(w.stage, "after-job", "--jobid", f"9{job}", "--status", "OK")
        service.stop()
        compare(w.stage)
    return ""


@scenario
def clock_set_between_passes(options):
    """a year ahead nothing departed is deleted; back again nothing waits a year; a year behind is told"""
    with Clock(options) as clock, World(options, "clocks", "--seed", options.seed, "--users", 2, "--sites", 0,
                                        "--groups", 0) as w:
        w.sim.post("directory", op="add_user", name="gone")
        w.sim.op("create", user="gone", path="kept.txt", type="file", size=10, seed=1)
        w.stage.sync(expect=(0, 1))
        w.sim.post("directory", op="remove_user", name="gone@contoso.example")
        w.stage.sync(expect=(0, 1))
        kept = os.path.join(w.stage.root, "tree/users/gone@contoso.example/onedrive/kept.txt")
        check(os.path.exists(kept), "a departed user's files went at once")
        clock.ahead(365 * DAY)
        w.sim.change(options.seed, 20)
        w.stage.hurry()
        w.stage.sync(expect=(0, 1), environment=clock.environment)
        check(os.path.exists(kept), "a clock that is a year ahead deleted a departed user's files")
        compare(w.stage)
        owed = w.stage.rows("SELECT max(next_try) FROM pending WHERE reason IS NOT NULL")[0][0]
        check(owed > time.time() + 300 * DAY, "nothing is owed for a year: this shows nothing")
        w.stage.sync(expect=(0, 1))
        owed = w.stage.rows("SELECT max(next_try) FROM pending WHERE reason IS NOT NULL")[0][0]
        check(owed < time.time() + 2 * DAY, f"an item waits for a clock that was wrong: {owed - time.time():.0f} s")
        compare(w.stage)
        clock.ahead(-365 * DAY)
        stands = w.stage.snapshot()
        out = w.stage.sync(expect=4, environment=clock.environment, timeout=600)
        check("not valid yet" in out.told() and "clock" in out.told(), f"the cause is not told: {out.told()[-600:]}")
        check(w.stage.snapshot() == stands, "the tree was touched")
        w.stage.sync(expect=(0, 1))
        compare(w.stage, quiet=True)
    return out.stderr.strip().splitlines()[-1]
