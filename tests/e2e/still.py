"""The tree under a job: it stands still while it is read, and moves again whatever becomes of the job."""

import json
import os
import signal

from daemons import await_condition
from harness import check, hash_of
from world import Site, plain_files

OWNER = {"user": "ada@contoso.example"}
SLOW = {"Maximum_Bandwidth": "5 mb/s"}  # so that reading takes long enough to look on
LARGE = 30 << 20


def whole(site):
    """Everything about the tree that can be seen from outside: the facts of every name and the bytes of every file."""
    facts = site.snapshot()
    out = {}
    for path, seen in facts.items():
        try:
            digest = hash_of(os.path.join(os.fsencode(site.tree), path)) if seen[1] & 0o170000 == 0o100000 else None
        except FileNotFoundError:
            digest = "gone while it was looked at"
        out[path] = (seen, digest)
    return out


def passes(site):
    return site.stage.rows("SELECT count(*) FROM pass WHERE finished_at IS NOT NULL")[0][0]


def await_lease(site, number):
    await_condition(lambda: str(number) in site.leases(), f"job {number} holds the tree still")


def reads_a_still_tree(site):
    """Changes in the tenant all the time, and passes all the time: what the job saved is what lay there when it began."""
    site.bacula.reconfigure(**SLOW)
    number = site.bacula.begin("m365-contoso", "Full")
    await_lease(site, number)
    held, begun, looks, seed = whole(site), passes(site), 0, 0
    check(str(number) in site.leases(), "the job was too quick to look on")
    while True:
        seed += 1
        site.sim.change(seed, 15)
        seen = whole(site)
        if str(number) not in site.leases():  # it may have ended while the tree was looked at
            break
        moved = sorted(os.fsdecode(p) for p in set(held) | set(seen) if held.get(p) != seen.get(p))
        check(not moved, f"the tree moved while job {number} read it: {moved[:12]}")
        looks += 1
    job = site.bacula.ended(number).expect("T")
    site.bacula.reconfigure()
    count = passes(site) - begun
    check(looks >= 3 and count >= 2, f"{looks} looks and {count} passes while the job read: too few to prove anything")
    check("during backup" not in job.log, f"files changed while they were saved:\n{job.log}")
    files = {os.fsdecode(p) for p, (facts, digest) in held.items() if digest}
    saved = plain_files(site.bacula.saved(number))
    check(saved == files, f"saved is not what lay there: {sorted(saved ^ files)[:12]}")
    await_condition(lambda: site.snapshot().keys() != {p for p in held}, "the changes of meanwhile are placed")
    where = site.path("still")
    site.bacula.restore(where, "mark *", jobids=number).expect("T")
    for path, (facts, digest) in held.items():
        if digest:
            check(hash_of(os.fsencode(where + site.tree) + b"/" + path) == digest, f"saved with other bytes: {path}")
    return f"{looks} looks, {seed * 15} changes and {count} passes during one Full of {job.files} names"


def moves_again(site):
    """What is made now reaches the tree: nobody holds it."""
    made = site.sim.op("create", **OWNER, type="file", path=f"after {site.bacula.last()}.txt", text="new")
    await_condition(lambda: os.path.exists(f"{site.tree}/users/ada@contoso.example/onedrive/{made['path'].split('/')[-1]}"),
                    "the tree moves again")
    check(not site.leases(), "the tree is held")


def cancelled(site):
    """While it reads, and while its hook waits for a pass."""
    site.bacula.reconfigure(**SLOW)
    number = site.bacula.begin("m365-contoso", "Full")
    await_lease(site, number)
    site.bacula.console(f"cancel jobid={number}")
    site.bacula.ended(number).expect("A")
    site.bacula.reconfigure()
    moves_again(site)
    site.sim.fault("delay", service="graph", delay_ms=3000, count=-1)
    asked = site.log_lines("asks for a lease")
    number = site.bacula.begin("m365-contoso")
    await_condition(lambda: site.log_lines("asks for a lease") > asked, "the hook waits for a pass")
    site.bacula.console(f"cancel jobid={number}")
    site.bacula.ended(number).expect("A")
    site.sim.clear_faults()
    await_condition(lambda: not site.hooks(number), "the hook of the cancelled job has ended")
    moves_again(site)


def jobs_are_those_of_the_catalog(site):
    """`m365stage jobs` against the Director's own book."""
    out = site.stage.run("--json", "jobs", "--limit", "100")
    told = {int(job["job_id"]): job for job in json.loads(out.stdout)}
    rows = site.bacula.rows("SELECT JobId, Name, Level, JobStatus FROM Job WHERE Type='B'")
    levels = {"F": "Full", "I": "Incremental", "D": "Differential"}
    for row in rows:
        job = told.pop(row["JobId"], None)
        if job is None:
            check(row["JobStatus"] not in "TW", f"job {row['JobId']} was saved, and m365stage does not know it")
            continue
        check((job["name"], job["level"]) == (row["Name"], levels[row["Level"]]), f"{job} is not {dict(row)}")
        check(job["saved"] == (row["JobStatus"] in "TW"), f"saved or not: {job}, {dict(row)}")
        check(job["ended_at"], f"nobody said that it ended: {job}")
    check(not told, f"jobs that the Director does not know: {told}")
    return len(rows)


def still(options):
    """The tree does not move under a job, though the tenant changes all the time; a cancelled job leaves no lease."""
    with Site(options, "still", "--users", 2, "--sites", 1, "--groups", 0, sync={"interval": "1s"}) as site:
        site.sim.op("create", **OWNER, type="file", path="large.bin", size=LARGE, seed=11)
        told = reads_a_still_tree(site)
        cancelled(site)
        count = jobs_are_those_of_the_catalog(site)
        return f"{told}; {count} jobs told as the catalog has them"


def file_daemon_killed(options):
    """A file daemon killed in the middle leaves no lease; the next job saves what came. The Director waits a minute."""
    with Site(options, "killed", "--users", 1, "--sites", 0, "--groups", 0, sync={"interval": "1s"}) as site:
        site.sim.op("create", **OWNER, type="file", path="large.bin", size=LARGE, seed=11)
        site.bacula.reconfigure(**SLOW)
        number = site.bacula.begin("m365-contoso", "Full")
        await_lease(site, number)
        site.bacula.stop("fd", how=signal.SIGKILL)
        held = site.snapshot()
        site.sim.op("create", **OWNER, type="file", path="after the kill.txt", text="new")
        job = site.bacula.ended(number).expect("f", "E")
        check(not site.leases(), f"the killed file daemon left its lease behind:\n{job.log}")
        await_condition(lambda: site.snapshot() != held, "the tree moves again")
        site.bacula.start("fd")
        site.bacula.reconfigure()
        after = site.bacula.run().expect("T")
        check(after.level == "F", f"a failed Full is no base of an incremental:\n{after.log}")
        check(any("/after the kill.txt" in path for path in site.bacula.saved(after.number)), f"not saved:\n{after.log}")
        jobs_are_those_of_the_catalog(site)
        return f"job {number} ended with {job.status}, the next one with {after.status}"
