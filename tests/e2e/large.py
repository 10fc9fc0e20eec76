"""Numbers of a large stage; not part of CI: tests/e2e/run.sh --only large."""

import time

from cycle import explain
from harness import check
from world import OWN_FILES, Site, moved, plain_files

ITEMS = 200_000
CHANGES = {"edit": 60, "touch": 15, "create_file": 15, "rename_file": 10}


def timed(action):
    began = time.monotonic()
    value = action()
    return value, time.monotonic() - began


def fresh_hook(site):
    """How long the hook takes when the tree is fresh enough, three times."""
    taken = []
    for job in ("9001", "9002", "9003"):
        out = site.stage.run("hook", "before-job", "--job", f"other {job}", "--jobid", job, "--level", "Full", "--max-age", "1h")
        check(out.exit == 0, f"hook: {out.told()}")
        taken.append(round(out.seconds * 1000))
        check(site.stage.run("hook", "after-job", "--jobid", job, "--status", "OK").exit == 0, "after-job")
    return taken


def large(options):
    """An Incremental over 200,000 staged items with 100 changes saves exactly those and their sidecars."""
    with Site(options, "large", "--users", 1, "--sites", 0, "--groups", 0, "--files-per-drive", 0) as site:
        site.sim.post("bulk", user="ada", items=ITEMS, folders=2000, file_size=400, seed=3)
        _, first_pass = timed(lambda: site.stage.sync(expect=(0, 1), timeout=3600))
        hooks = fresh_hook(site)
        full, full_time = timed(lambda: site.bacula.run(level="Full", seconds=3600).expect("T"))
        before, generation = site.files(), site.generation()
        site.sim.change(5, sum(CHANGES.values()), weights=CHANGES)
        job, job_time = timed(lambda: site.bacula.run(seconds=3600).expect("T"))
        expected, gone = moved(before, site.files())
        saved = plain_files(site.bacula.saved(job.number))
        check(saved == expected, f"saved {len(saved)}, changed {len(expected)}: {sorted(saved ^ expected)[:12]}")
        check(plain_files(site.bacula.saved(job.number, deleted=True)) == gone, "deletions in the catalog are others")
        explain(site.changes(generation), saved, set(before), gone)
        check(len(saved - OWN_FILES) <= 2 * sum(CHANGES.values()), f"{len(saved)} files for 100 changes")
        return (f"{full.files} names in the Full; {sum(CHANGES.values())} changes: {len(saved)} files saved, {len(gone)} gone; "
                f"first pass {first_pass:.0f} s, Full {full_time:.0f} s, Incremental {job_time:.0f} s; hook with a fresh tree {hooks} ms")
