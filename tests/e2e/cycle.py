"""The way of every day: full, incremental, restore, drill."""

import json
import os
import re

from daemons import await_condition
from harness import check
from world import OWN_FILES, Site, compare_copy, moved, plain_files, sidecar

DESK = "users/ada@contoso.example/onedrive/desk"


def lines_of(log, mark):
    return [line.split(mark, 1)[1].strip() for line in log.splitlines() if mark in line]


def check_hook_lines(log):
    """Bareos cuts a line after 127 bytes, which may split a letter: so lines are short and ASCII."""
    said = lines_of(log, "ClientBeforeJob:")
    check(said, f"the hook said nothing: {log}")
    for line in said:
        check(len(line) <= 120 and line.isascii(), f"a line of the hook is long or not ASCII: {line!r}")
    return said


def full(site):
    job = site.bacula.run(level="Full").expect("T")
    check_hook_lines(job.log)
    there = site.files()
    saved = site.bacula.saved(job.number)
    check(plain_files(saved) == set(there), f"a Full saves the whole tree: {plain_files(saved) ^ set(there)}")
    check(saved == site.bacula.listed(job.number), "bconsole lists other files than the catalog has")
    check(OWN_FILES <= saved, f"m365stage's own files are not in the backup: {OWN_FILES - saved}")
    return job


def change_tenant(site):
    """One change of each kind; where it is not given by its seed, it is by its name."""
    owner = {"user": "ada@contoso.example"}
    op = site.sim.op
    op("edit", **owner, path="desk/edited.txt", text="The second version.\n")
    op("create", **owner, type="file", path="desk/new, very old.txt", text="new here", mtime=1000000000)
    op("share", **owner, path="desk/shared.txt", role="read", email="bela@contoso.example")
    op("rename", **owner, path="desk/renamed.txt", name="renamed now.txt")
    op("delete", **owner, path="desk/deleted.txt")
    op("rename", **owner, path="folder", name="folder, renamed")
    site.sim.change(7, 12)


def fill_desk(site):
    owner = {"user": "ada@contoso.example"}
    for name in ("edited", "shared", "renamed", "deleted", "same"):
        site.sim.op("create", **owner, type="file", path=f"desk/{name}.txt", text=f"The first version of {name}.\n")
    for number in range(5):
        site.sim.op("create", **owner, type="file", path=f"folder/inside/{number}.txt", text=f"number {number}\n")


def incremental(site):
    before, generation = site.files(), site.generation()
    change_tenant(site)
    job = site.bacula.run().expect("T")
    check(job.level == "I", f"not an incremental: {job.log}")
    after = site.files()
    expected, gone = moved(before, after)
    saved = plain_files(site.bacula.saved(job.number))
    check(saved == expected, f"saved but unchanged: {sorted(saved - expected)}; changed but not saved: {sorted(expected - saved)}")
    check(saved == plain_files(site.bacula.listed(job.number)), "bconsole lists other files than the catalog has")
    deleted = plain_files(site.bacula.saved(job.number, deleted=True))
    check(deleted == gone, f"deletions that Accurate did not see: {gone - deleted}; invented: {deleted - gone}")
    explain(site.changes(generation), saved, set(before), gone)
    return job, len(saved)


def explain(changes, saved, before, gone):
    """Each file in the job has a line in `m365stage changes`, and each line has its files in the job."""
    told = set()
    folders = set()
    arrived = {new for _, _, _, new in changes}
    for at, (what, kind, old, new) in enumerate(changes):
        later = [o for _, _, o, _ in changes[at + 1:] if o is not None]
        # In a circle of renames each one lies where another one was: it has not moved on from there.
        moved_on = old not in arrived and new in later
        if new is not None and not moved_on and not any(new.startswith(o + "/") for o in later):
            told |= {new, sidecar(new)}
            check(sidecar(new) in saved, f"changes says {what} {new}, and its sidecar was not saved")
            check(kind == "folder" or what == "metadata" or new in saved, f"changes says {what} {new}, and it was not saved")
        # A path on the way (its folder was renamed in the same pass) was never in a backup; one that something
        # else took is not gone.
        if old is not None and old not in arrived and sidecar(old) in before:
            check(sidecar(old) in gone, f"changes says that {old} is gone, and its sidecar is not recorded as deleted")
        if kind == "folder" and what in ("renamed", "moved"):
            folders.add(new + "/")
    left = {path for path in saved - told - OWN_FILES if not path.startswith(tuple(folders))}
    check(not left, f"saved, and 'changes' does not say why: {sorted(left)}")


def history_is_that_of_the_catalog(site):
    """`m365stage history`: the job that it names for a version has the file, and one of before the version has not."""
    asked, saved = 0, {}
    for what, kind, _, path in site.changes(0):
        if kind != "file" or path is None or asked == 25 or "/desk/" not in path and asked > 15:
            continue
        out = site.stage.run("--json", "history", path)
        check(out.exit == 0, f"history {path}: {out.told()}")
        asked += 1
        for version in json.loads(out.stdout):
            job = version["job"]
            if version["what"] in ("created", "content") and job:
                number = int(job["job_id"])
                if number not in saved:
                    saved[number] = site.bacula.saved(number)
                check(version["new_path"] in saved[number], f"history: job {job['job_id']} holds {version}; the catalog says no")
    versions = json.loads(site.stage.run("--json", "history", f"{DESK}/edited.txt").stdout)
    held = [(v["what"], v["job"] and v["job"]["level"]) for v in versions]
    check(held == [("created", "Full"), ("content", "Incremental")], f"history of desk/edited.txt: {held}")
    return asked


def restore_everything(site):
    where = site.path("restored")
    job = site.bacula.restore(where, "mark *").expect("T")
    copy = where + site.tree
    count = compare_copy(site.tree, copy)
    out = site.stage.run("verify", "--tree", copy)
    check(out.exit == 0, f"verify --tree of a faithful copy: {out.told()}")
    victim = f"{DESK}/same.txt"
    with open(os.path.join(copy, victim), "r+b") as f:
        byte = f.read(1)
        f.seek(0)
        f.write(bytes([byte[0] ^ 1]))
    out = site.stage.run("verify", "--tree", copy)
    check(out.exit == 1 and victim in out.told(), f"a flipped bit is not found ({out.exit}): {out.told()}")
    return job, count


def restore_older(site, number):
    """One file as it was in the Full, into another folder."""
    where = site.path("older")
    folder = f"{site.tree}/{DESK}"
    site.bacula.restore(where, f"cd {folder}", "mark edited.txt", "mark deleted.txt", jobids=number).expect("T")
    found = sorted(os.listdir(where + folder))
    check(found == ["deleted.txt", "edited.txt"], f"restored: {found}")
    with open(where + folder + "/edited.txt", encoding="utf-8") as f:
        check(f.read() == "The first version of edited.\n", "the older version is not the older version")


def operator_is_limited(site):
    """The console of examples/bareos restores beside the tree and nowhere else."""
    ask = f"restore client={site.bacula.client} fileset=m365-contoso restorejob=m365-contoso-restore where=/etc current select"
    out = site.bacula.console(ask, "mark *", "done", "yes", config="operator.conf")
    check("Job queued" not in out and re.search("not authorized|Forbidden|No authorization", out, re.I), f"the operator restores to /etc: {out}")
    out = site.bacula.console("list jobs", config="operator.conf")
    check("m365-contoso" in out, f"the operator sees no jobs: {out}")


def drill(site):
    """Runs the drill; the restore that it started."""
    job = site.bacula.run("m365-contoso-drill").expect("T")
    found = re.search(r"job (\d+) restores and verifies", job.log)
    check(found, f"the drill restored nothing: {job.log}")
    return site.bacula.ended(int(found[1]))


def drill_finds_damage(site):
    """A bit that flipped in the tree is saved as it is; the drill finds it, and somebody gets a mail."""
    for folder, _, names in os.walk(site.tree):
        for name in names:
            if "/.m365" not in folder and os.path.getsize(os.path.join(folder, name)):
                with open(os.path.join(folder, name), "r+b") as f:
                    byte = f.read(1)
                    f.seek(0)
                    f.write(bytes([byte[0] ^ 1]))
    site.bacula.run().expect("T")
    drill(site).expect("f", "E")
    await_condition(lambda: os.path.exists(site.bacula.mails), "a mail")
    with open(site.bacula.mails, encoding="utf-8") as f:
        mail = f.read()
    check("somebody@example.com" in mail and "m365-contoso-drill-restore" in mail, f"nobody was told: {mail[:500]}")


def cycle(options):
    """Full, incremental of exactly the changed files, deletions, restore, an older version, drill, verification."""
    with Site(options, "cycle") as site:
        fill_desk(site)
        first = full(site)
        job, count = incremental(site)
        quiet = site.bacula.run().expect("T")
        saved = plain_files(site.bacula.saved(quiet.number)) - OWN_FILES
        check(not saved, f"an incremental of an unchanged tenant saves {saved}")
        history_is_that_of_the_catalog(site)
        _, names = restore_everything(site)
        restore_older(site, first.number)
        operator_is_limited(site)
        site.bacula.run("m365-contoso-verify").expect("T")
        sample = drill(site).expect("T")
        check(sample.files > 0, f"the drill restored an empty sample: {sample.log}")
        drill_finds_damage(site)
        return f"Full of {first.files} files, incremental of {count} of {job.files}, {names} names restored alike"
