"""Everything the simulator can do wrong."""

import random

from cases import scenario
from harness import Failed, World, check, check_index, check_manners, check_quiet, compare, kill

# What strikes by chance strikes that often; a pass has about 60 requests.
OFTEN = 0.15
PARAMETERS = {
    "throttle": {"seconds": 1},
    "stall": {"stall_ms": 1500},
    "trickle": {"bytes": 512, "every_ms": 2},
    "reset": {"after_bytes": 100},
    "short_body": {"bytes": 100},
    "delay": {"delay_ms": 50},
    "wrong_length": {"count": 1},  # what is served so twice is believed: altered by the service
}
# The feed does not tell again what it told wrongly: the next full round does.
TOLD_WRONGLY = {"old_dates", "silent_recreate", "hide_children_of_moved", "negative_size", "zero_child_count"}
ENDLESS = ("repeat_next_link", "cycle_next_link")


@scenario
def fault_kinds(options):
    """each kind of fault in turn during changes; then everything is there"""
    dice = random.Random(options.seed * 104729)
    slowest = ("", 0)
    with World(options, "faults", "--seed", options.seed, "--users", 1, "--sites", 1, "--groups", 0,
               "--files-per-drive", 12) as w:
        w.sim.page_size(10)
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        answer = w.sim.get("faults?kinds=1")
        kinds = [kind["type"] for kind in (answer["kinds"] if isinstance(answer, dict) else answer)]
        check(len(kinds) >= 30, f"the simulator lists {len(kinds)} kinds of faults")
        for _ in range(options.rounds):
            for kind in kinds:
                try:
                    seconds = one_kind(w, dice, kind)
                    if options.verbose:
                        print(f"    {kind}: {seconds:.1f} s", flush=True)
                except Failed as e:
                    raise Failed(f"fault {kind}: {e}") from e
                slowest = max(slowest, (kind, seconds), key=lambda s: s[1])
        check_manners(w.sim)
    return f"{len(kinds)} kinds; the slowest pass had {slowest[0]}: {slowest[1]:.1f} s"


def one_kind(w, dice, kind):
    w.sim.change(dice.randrange(10**9), 20)
    more = dict(PARAMETERS.get(kind, {}))
    if kind not in ENDLESS:
        more["probability"] = OFTEN
    w.sim.fault(kind, seed=dice.randrange(1, 10**6), **more)
    out = w.stage.sync(expect=(0, 1, 3, 4, 7), timeout=120)
    check_index(w.stage)
    w.sim.clear_faults()
    if kind in TOLD_WRONGLY:
        forget_cursors(w.stage)
    recover(w.stage)
    return out.seconds


def forget_cursors(stage):
    stage.write("UPDATE stream SET cursor=NULL, spare_cursor=NULL, older_cursor=NULL, cursor_state=0")


def recover(stage, passes=3):
    """The faults are gone: a few passes later nothing differs."""
    for left in reversed(range(passes)):
        stage.hurry()
        stage.sync(expect=(0, 1))
        try:
            compare(stage)
            return
        except Failed:
            if left == 0:
                raise


@scenario
def fault_presets(options):
    """storm, odd feeds, a flaky network and throttling during changes"""
    dice = random.Random(options.seed * 15485863)
    passes = 0
    with World(options, "presets", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 1,
               "--files-per-drive", 15) as w:
        w.sim.page_size(15)
        for _ in range(options.rounds):
            for preset in ("storm", "odd_feed", "flaky_network", "throttled"):
                w.sim.post("faults", preset=preset, seed=dice.randrange(1, 10**6))
                for _ in range(3):
                    w.sim.change(dice.randrange(10**9), 30)
                    w.stage.sync(expect=(0, 1, 3, 4, 7), timeout=240)
                    check_index(w.stage)
                    passes += 1
                w.sim.clear_faults()
                forget_cursors(w.stage)
                try:
                    recover(w.stage)
                except Failed as e:
                    raise Failed(f"preset {preset}: {e}") from e
        check_quiet(w.stage)
        check_manners(w.sim)
    return f"{passes} passes with faults"


@scenario
def gone_cursors(options):
    """410 in all its forms: enumerated again, nothing downloaded, nothing touched"""
    with World(options, "gone", "--seed", options.seed, "--users", 2, "--sites", 1, "--files-per-drive", 20) as w:
        w.sim.page_size(10)
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        forms = [(code, location)
                 for code in ("resyncRequired", "resyncChangesApplyDifferences", "resyncChangesUploadDifferences")
                 for location in ("good", "none", "broken")]
        for code, location in forms:
            w.sim.fault("resync", code=code, location=location, count=5)
            before = full_rounds(w.stage)
            try:
                check_quiet(w.stage)
            except Failed as e:
                raise Failed(f"410 {code}, location {location}: {e}") from e
            struck = w.sim.get("faults")["faults"]
            check(not struck or struck[0].get("struck", 1) > 0, "no 410 was sent")
            w.sim.clear_faults()
            check(full_rounds(w.stage) > before, f"410 {code}: no full round followed")
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return f"{len(forms)} forms"


def full_rounds(stage):
    return stage.rows("SELECT sum(round) AS n FROM container")[0]["n"]


@scenario
def endless_feeds(options):
    """a feed without end: the pass ends, the state from before stays"""
    with World(options, "endless", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--files-per-drive", 30) as w:
        w.sim.page_size(10)
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        for kind in ENDLESS:
            w.sim.change(options.seed, 60)
            before = cursors(w.stage)
            w.sim.fault(kind)
            out = w.stage.sync(expect=1, timeout=120)
            check(out.summary["errors"], f"{kind}: the pass does not tell: {out.told()}")
            kept = [drive for drive, cursor in cursors(w.stage).items() if before[drive] == cursor]
            check(kept, f"{kind}: no cursor was kept")
            check_index(w.stage)
            w.sim.clear_faults()
            recover(w.stage, 1)
    return ""


@scenario
def untold_children(options):
    """a feed tells of a folder and not of what is in it, which can't be listed just then: nothing is forgotten"""
    with World(options, "untold", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0,
               "--files-per-drive", 5) as w:
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        for folder, files in (("Small", 9), ("Large", 1100)):
            w.sim.op("create", user="ada", path=folder, type="folder")
            for number in range(files):
                w.sim.op("create", user="ada", path=f"{folder}/{number}.txt", type="file", size=100, seed=number)
            w.sim.op("rename", user="ada", path=folder, name=folder + " and moved")
        w.sim.fault("hide_children_of_moved")
        w.sim.fault("error", path="/children", status=503, count=-1)
        w.stage.sync(expect=(0, 1), timeout=120)
        w.sim.forget_requests()
        check(w.stage.rows("SELECT 1 FROM walk"), "no folder waits to be looked into")
        w.sim.clear_faults()
        w.sim.fault("hide_children_of_moved")
        w.sim.fault("stall", path="/children", nth=3, stall_ms=60000)  # in the middle of the large folder
        process = w.stage.start()
        while process.poll() is None and w.sim.get("requests")["children"] < 3:
            pass
        check(process.poll() is None, f"the list of a folder did not stall: {w.sim.get('requests')}")
        kill(process)
        w.sim.clear_faults()
        w.sim.fault("hide_children_of_moved")
        w.stage.finish()
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        check(not w.stage.rows("SELECT 1 FROM walk"), "folders are still to be looked into")
        check_manners(w.sim)
    return ""


def cursors(stage):
    rows = stage.rows(
        "SELECT c.remote_id, s.cursor FROM container AS c JOIN stream AS s ON s.container_id=c.id WHERE c.state='active'"
    )
    return {row["remote_id"]: row["cursor"] for row in rows}
