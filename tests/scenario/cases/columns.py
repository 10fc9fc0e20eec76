"""Columns of document libraries: staged in sidecars, at a cost that grows with what changed, and put back."""

import json
import os
import shutil
import subprocess

from cases import scenario
from cases.restore import allow_restore, check_equal, copy_of, restore, second_stage, tree_facts, wipe
from harness import World, check, check_manners, compare, kill
from running import wait_until

SMALL = ("--users", 1, "--sites", 1, "--groups", 1, "--specials", 0, "--messages-per-mailbox", 0)


def asked(w):
    counters = w.sim.get("requests")
    return counters["columns"], counters["download"]


def library(w):
    """Path below the tree of the site's library with columns."""
    return next(r[0] for r in w.stage.rows("SELECT key FROM container WHERE owner_kind='site' AND key LIKE '%site1%'"))


def sidecar(w, name):
    return json.load(open(os.path.join(w.stage.root, "tree", library(w), ".m365", name + ".json"), encoding="utf-8"))


@scenario
def column_values(options):
    """own columns of a library: staged, one list feed for all that changed, no download, nothing when nothing did"""
    with World(options, "columns", "--seed", options.seed, *SMALL, "--files-per-drive", 300) as w:
        w.sim.page_size(50)
        w.stage.sync(expect=0)
        compare(w.stage)
        first, _ = asked(w)
        check(first <= 12, f"{first} requests for the columns of a first pass")
        w.sim.forget_requests()
        compare(w.stage, quiet=True)
        check(asked(w)[0] == 0, "a pass without changes asked for columns")
        w.sim.op("create", site="site1", path="a.txt", type="file", text="a")
        w.sim.op("fields", site="site1", path="a.txt", set={"Status": "Draft", "Tags": ["x"], "Score": 1.5})
        w.stage.sync(expect=0)
        check(sidecar(w, "a.txt")["columns"] == {"Status": "Draft", "Tags": ["x"]}, f"{sidecar(w, 'a.txt')}")
        before = os.stat(os.path.join(w.stage.root, "tree", library(w), "a.txt"))
        w.sim.forget_requests()
        # Of a file without a hash nothing but its time tells that it is the same, and a column's change moves that.
        known = [i for i in w.sim.expected() if i.get("quickxorhash") and i["owner"]["kind"] == "site"]
        for item in known[:120]:
            w.sim.op("fields", drive=item["drive"], id=item["id"], set={"Status": "Final", "Cost": 7})
        w.sim.op("fields", site="site1", path="a.txt", set={"Status": None, "Cost": 12.5})
        w.stage.sync(expect=0)
        columns, downloads = asked(w)
        check(downloads == 0, f"{downloads} downloads for columns alone")
        check(columns <= 5, f"{columns} requests for columns of 121 items")
        after = os.stat(os.path.join(w.stage.root, "tree", library(w), "a.txt"))
        check(before.st_ino == after.st_ino, "a column's change made the file anew")
        compare(w.stage, quiet=True)
        check_manners(w.sim)
        return f"first pass: {first} requests for columns; 121 changed: {columns}"


@scenario
def column_storms(options):
    """columns under random changes, faults, a lost cursor, and a feed that is not there or does not say whose they are"""
    with World(options, "columnstorm", "--seed", options.seed, *SMALL, "--files-per-drive", 60) as w:
        w.sim.page_size(20)
        w.stage.sync(expect=0)
        for turn, feed in enumerate(("", "none", "plain", "")):
            w.sim.post("settings", list_feed=feed)
            w.sim.fault("resync", path="/list/items/delta", probability=0.5, seed=turn)
            w.sim.fault("error", path="/list", probability=0.2, seed=turn, status=503)
            w.sim.fault("throttle", path="/list", probability=0.05, seed=turn, retry_after=1)
            w.sim.fault("mutate_between_pages", probability=0.3, seed=turn)
            for _ in range(2 * options.rounds):
                w.sim.change(options.seed * 100 + turn, 40)
                w.sim.change(options.seed * 100 + turn, 20, weights={"fields": 1})
                w.stage.hurry()
                w.stage.sync(expect=(0, 1))
            w.sim.clear_faults()
            w.stage.hurry()
            w.stage.sync(expect=(0, 1))
            w.stage.sync(expect=0)
            compare(w.stage, quiet=True)
        w.sim.fault("error", path="/list/columns", status=404, count=-1)
        w.sim.change(options.seed + 5, 20)
        w.stage.sync(expect=0)
        w.sim.clear_faults()
        check_manners(w.sim)


def left_of(out):
    return {x["path"].split("\n")[0].split("/")[-1]: x["reason"] for x in out.summary["left"]}


@scenario
def restore_columns(options):
    """columns on their way back: a round trip, another library, values of others, one that the service refuses"""
    with World(options, "restorecolumns", "--seed", options.seed, *SMALL, "--files-per-drive", 80) as w:
        allow_restore(w.stage)
        person = {"Status": "Final", "OwnerLookupId": "7", "Cost": 3.5, "Tags": ["a", "b"]}
        for name in ("a.txt", "link.txt", "Folder/b.txt"):
            w.sim.op("create", site="site1", path=name, type="file", text=name)
            w.sim.op("fields", site="site1", path=name, set=person)
        w.sim.op("fields", site="site1", path="Folder", set={"Status": "Draft"})
        link = {"Url": "https://example.org", "Description": "x"}
        w.sim.op("fields", site="site1", path="link.txt", set={"Source": link})
        w.stage.sync(expect=0)
        before = tree_facts(w.stage)
        source = copy_of(w.stage)
        wipe(w.sim)
        check(lost(w, source, "--in-place") == {"'Source' is of a kind that Graph can't write": 1}, "the plan")
        out = restore(w.stage, source, "--in-place", expect=1)
        check(set(left_of(out)) == {"link.txt"} and "'Source'" in left_of(out)["link.txt"], f"{left_of(out)}")
        check(out.summary["kinds"]["file"]["failed"] == 0, "a column failed its file")
        check_equal(before, tree_facts(second_stage(w)))
        w.sim.forget_requests()
        restore(w.stage, source, "--in-place", expect=1)
        wrote = w.sim.get("requests")["write"]
        check(wrote == 0, f"a finished restore wrote {wrote} times again")
        elsewhere(w, source)
        kept(w, source)
        check_manners(w.sim)
        return f"{out.summary['kinds']['columns']}"


@scenario
def restore_columns_killed(options):
    """the answer about a folder that was made is lost, by a kill or by a broken line: it gets its time and its columns"""
    for fault in ("stall", "truncated_json"):
        with World(options, "columnskilled", "--seed", options.seed, *SMALL, "--files-per-drive", 0) as w:
            allow_restore(w.stage)
            w.sim.op("create", site="site1", path="Folder/a.txt", type="file", text="a")
            w.sim.op("fields", site="site1", path="Folder", set={"Status": "Draft"})
            w.stage.sync(expect=0)
            before = tree_facts(w.stage)
            source = copy_of(w.stage)
            wipe(w.sim)
            w.sim.fault(fault, method="POST", path="/children$", count=-1)
            process = subprocess.Popen([w.stage.binary, "--config", w.stage.config_file, "restore", "--from", source,
                                        "--in-place", "--yes"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_until(lambda: any(i["name"] == "Folder" for i in w.sim.expected()), "the folder is made", longest=60)
            if fault == "stall":
                kill(process)
            else:
                wait_until(lambda: process.poll() is not None, "it gives up", longest=200)
            w.sim.clear_faults()
            restore(w.stage, source, "--in-place")
            check_equal(before, tree_facts(second_stage(w)))
    return ""


def lost(w, source, *arguments):
    """What a dry run says that the target does not take: reason -> of how many objects."""
    plan = w.stage.run("--json", "restore", "--from", source, *arguments, "--dry-run")
    found = {one["reason"]: one["objects"] for part in plan.summary["plan"]["parts"] for one in part["lost"]}
    check(plan.exit == (1 if found else 0), plan.told())
    return found


def columns_of(w, path):
    return next(i.get("columns") for i in w.sim.expected() if i["path"] == path)


def elsewhere(w, source):
    """A group's library, with some of the columns, in another site: people mean somebody else there."""
    w.sim.op("columns", group="team1", without=["Status"])
    there = ("--select", library(w) + "/a.txt", "--to", "groups/team1/Here", "--into", "Old")
    planned = lost(w, source, *there)
    check(len(planned) == 2 and set(planned.values()) == {1}, f"{planned}")
    out = restore(w.stage, source, *there, expect=1)
    reason = left_of(out)["a.txt"]
    check(all(one in reason for one in planned), f"{planned}, and then: {reason}")
    check("'Status' is no column" in reason and "'Owner' points to people" in reason, reason)
    there = columns_of(w, "Here/Old/a.txt")
    check(there == {"Cost": 3.5, "Tags": ["a", "b"]}, f"{there}")


def kept(w, source):
    """What somebody wrote since stays, unless --conflict replace says otherwise; what is empty is filled."""
    w.sim.op("fields", site="site1", path="a.txt", set={"Status": "Mine", "Cost": None})
    shutil.rmtree(os.path.join(w.stage.root, "restore"))
    one = ("--select", library(w) + "/a.txt", "--in-place")
    out = restore(w.stage, source, *one, expect=1)
    check("'Status' has another value" in left_of(out)["a.txt"], f"{left_of(out)}")
    have = columns_of(w, "a.txt")
    check(have["Status"] == "Mine" and have["Cost"] == 3.5, f"{have}")
    restore(w.stage, source, *one, "--conflict", "replace")
    check(columns_of(w, "a.txt")["Status"] == "Final", "replace did not")
    w.sim.op("fields", site="site1", path="a.txt", set={"Status": "Mine"})
    w.sim.op("delete", site="site1", path="Folder/b.txt")
    w.sim.fault("error", path="/listItem/fields", method="PATCH", nth=1, status=400, code="invalidRequest")
    restore(w.stage, source, "--select", library(w) + "/Folder", "--in-place")
    check(columns_of(w, "Folder/b.txt")["Tags"] == ["a", "b"], "not written one by one")


@scenario
def content_before_columns(options):
    """columns that can't be read keep no content back; they are owed until they are there"""
    with World(options, "columnslater", "--seed", options.seed, *SMALL, "--files-per-drive", 5) as w:
        w.stage.sync(expect=0)
        for path in ("/list/columns", "/listItem|/list/items/delta"):
            name = "a.txt" if path == "/list/columns" else "b.txt"
            w.sim.op("create", site="site1", path=name, type="file", text="precious")
            w.sim.op("fields", site="site1", path=name, set={"Status": "Draft"})
            w.sim.fault("error", path=path, status=500, count=-1)
            w.stage.sync(expect=1, timeout=120)
            with open(os.path.join(w.stage.root, "tree", library(w), name), encoding="utf-8") as file:
                check(file.read() == "precious", f"{name} is kept back")
            check(sidecar(w, name).get("columns") is None, "columns from nowhere")
            check(w.stage.rows("SELECT 1 FROM owed WHERE reason='server'"), "nothing is owed")
            w.sim.clear_faults()
            w.sim.forget_requests()
            w.stage.hurry()
            w.stage.sync(expect=0)
            check(asked(w)[1] == 0, "the content was fetched once more")
            compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


@scenario
def columns_of_upgraded_stage(options):
    """what was staged without columns gets them by one listing of its library: no download, no request for each item, once"""
    with World(options, "columnupgrade", "--seed", options.seed, *SMALL, "--files-per-drive", 300) as w:
        w.sim.fault("error", path="/list/columns", status=404, code="itemNotFound", count=-1)
        w.sim.op("create", site="site1", path="shared.txt", type="file", text="s")
        w.sim.op("fields", site="site1", path="shared.txt", set={"Status": "Draft"})
        w.sim.op("share", site="site1", path="shared.txt", role="read", email="bela@contoso.example")
        w.stage.sync(expect=0)
        w.sim.clear_faults()
        check("columns" not in sidecar(w, "shared.txt"), "the stage has columns already")
        shared = sidecar(w, "shared.txt")["permissions"]
        w.stage.write("DELETE FROM column_feed")  # as the version before left it
        before = w.stage.snapshot()
        w.sim.forget_requests()
        w.sim.fault("error", path="/list/items/delta", status=503, nth=2, count=8)
        w.stage.sync(expect=0)
        check(sidecar(w, "shared.txt").get("columns") is None, "half of a listing was enough")
        w.sim.clear_faults()
        w.sim.forget_requests()
        w.stage.sync(expect=0)
        columns, downloads = asked(w)
        check(downloads == 0 and columns <= 8, f"{downloads} downloads, {columns} requests for columns")
        check(sidecar(w, "shared.txt")["permissions"] == shared, "permissions were lost")
        compare(w.stage)
        after = w.stage.snapshot()
        touched = [p for p in before if b"/.m365" not in p and before[p][0] != after[p][0]]
        check(not touched, f"made anew: {touched[:5]}")
        w.sim.forget_requests()
        compare(w.stage, quiet=True)
        check(asked(w)[0] == 0, "an unchanged pass asked for columns")
        check_manners(w.sim)
        return f"{columns} requests for columns"


def uncovered(w):
    return {u["owner"]: u["reason"] for u in w.stage.run("--json", "status").summary["not_covered"] if "(columns)" in u["owner"]}


@scenario
def columns_refused(options):
    """columns that the app may not read are reported, whatever is refused, and read once it may: nothing has to change"""
    with World(options, "columnsrefused", "--seed", options.seed, *SMALL, "--files-per-drive", 60) as w:
        no = {"status": 403, "code": "accessDenied", "count": -1}
        told = []
        for feed, paths in (("", ["/list/columns"]), ("", ["/list/items/delta", "/listItem"]), ("none", ["/listItem"])):
            w.sim.post("settings", list_feed=feed)
            for path in paths:
                w.sim.fault("error", path=path, **no)
            name = f"late {len(told)}.txt"
            w.sim.op("create", site="site1", path=name, type="file", text=name)
            w.sim.op("fields", site="site1", path=name, set={"Status": "Draft"})
            w.stage.sync(expect=0)
            found = uncovered(w)
            check(library(w) + " (columns)" in found, f"{paths}: nobody is told: {found}")
            check("columns" not in sidecar(w, name), f"{paths}: it has values")
            w.sim.forget_requests()
            w.stage.sync(expect=0)
            columns, downloads = asked(w)
            told.append(columns)
            check(columns <= 8 and downloads == 0, f"{paths}: a quiet pass asked {columns} times, {downloads} downloads")
            check(uncovered(w) == found, f"{paths}: it is not told any more")
            w.sim.clear_faults()
            w.stage.sync(expect=0)
            check(not uncovered(w), f"{paths}: still told: {uncovered(w)}")
            check(sidecar(w, name)["columns"] == {"Status": "Draft"}, f"{paths}: not read again")
            compare(w.stage, quiet=True)
            w.sim.forget_requests()
            w.stage.sync(expect=0)
            check(asked(w)[0] == 0, "an unchanged pass asked for columns")
        check_manners(w.sim)
        return f"{told} requests for columns in quiet passes"
