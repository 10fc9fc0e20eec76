"""kill -9 at any moment."""

import random
import time

from cases import scenario
from harness import Failed, World, check, check_index, check_manners, compare, kill

CONCURRENCY = 8


class Tally:
    def __init__(self):
        self.kills = 0
        self.downloads = 0
        self.extra = 0
        self.most = 0
        self.files = 0


@scenario
def kills(options):
    """kill -9 at random moments: nothing is lost, claimed or downloaded in vain"""
    dice = random.Random(options.seed * 7919)
    wanted = 200 * options.rounds
    tally = Tally()
    with World(options, "kill", "--seed", options.seed, "--users", 2, "--sites", 1, "--files-per-drive", 40) as w:
        w.stage.configure(sync={"concurrency": CONCURRENCY})
        w.sim.page_size(20)
        slow(w.sim)
        phase = 0
        while tally.kills < wanted:
            try:
                one_phase(w, dice, tally, phase, min(10, wanted - tally.kills))
            except Failed as e:
                raise Failed(f"phase {phase}, {tally.kills} kills: {e}") from e
            phase += 1
        # A killed client can't know of a Retry-After that it was told, and there are none here.
        check_manners(w.sim)
    return (
        f"{tally.kills} kills, {tally.downloads} downloads of which {tally.extra} were in vain "
        f"(at most {tally.kills * CONCURRENCY} may be; {tally.most} of one file), {tally.files} files checked on the way"
    )


def slow(sim):
    """Wider windows: some answers come late."""
    sim.fault("delay", service="files", probability=0.5, delay_ms=30, seed=1)
    sim.fault("delay", service="graph", probability=0.2, delay_ms=15, seed=2)


def one_phase(w, dice, tally, phase, kills):
    """Changes, some kills, a clean pass, and the comparison. In every other phase things also change between the
    kills; in the others no file may be downloaded more often than kills explain."""
    moving = phase % 2 == 1
    if phase > 0:
        w.sim.change(dice.randrange(10**9), 60 if moving else 200)
    if not moving:
        w.sim.fault("delay", service="files", delay_ms=60)
    w.sim.forget_requests()
    done = 0
    for _ in range(6 * kills):  # a pass may end before it is killed
        if done == kills:
            break
        process = w.stage.start()
        time.sleep(dice.random() * (0.3 if dice.random() < 0.5 else 1.0))
        if process.poll() is None:
            kill(process)
            done += 1
        else:
            check(process.returncode in (0, 1), f"a pass after a kill ended with {process.returncode}")
            if moving:
                w.sim.change(dice.randrange(10**9), 40)
        if dice.random() < 0.5:
            recover(w.stage)
            tally.files += check_index(w.stage)
        if moving:
            w.sim.change(dice.randrange(10**9), 8)
    tally.kills += done
    w.sim.clear_faults()
    w.stage.hurry()
    w.stage.sync(expect=(0, 1))
    compare(w.stage, quiet=phase % 4 == 0)
    slow(w.sim)
    if not moving:
        judge_downloads(w.sim, tally, done)


def recover(stage):
    """A start that finishes what was cut off, and then has nothing to do."""
    stage.finish()


def judge_downloads(sim, tally, kills):
    downloads = sim.downloads()
    altered = {item["id"] for item in sim.expected() if item["altered"]}  # fetched twice, to be sure
    extra = 0
    for item, times in downloads.items():
        own = 2 if item in altered else 1
        check(times <= own * (1 + kills), f"{item} was downloaded {times} times with {kills} kills")
        extra += max(0, times - own)
        tally.most = max(tally.most, times)
    check(extra <= kills * CONCURRENCY, f"{extra} downloads in vain with {kills} kills")
    tally.extra += extra
    tally.downloads += sum(downloads.values())
