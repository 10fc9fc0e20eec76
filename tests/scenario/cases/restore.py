"""restore and export: from the tree alone back into the tenant."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import time

from cases import scenario
from harness import Stage, World, check, check_manners, hash_of, kill, sidecar_path, walk

# What the service sets by itself, so that no restore can bring it back (lib/README.md lists them).
SERVICE_SET = ("createdBy", "lastModifiedBy", "createdDateTime", "lastModifiedDateTime", "parentReference", "shared")
# Columns that Graph can't write.
NOT_WRITTEN = ("Source",)


def allow_restore(stage):
    stage.configure(restore_app=dict(stage.settings["app"]))


def restore(stage, source, *arguments, expect=0, timeout=300):
    out = stage.run("--json", "restore", "--from", source, "--yes", *arguments, timeout=timeout)
    wanted = expect if isinstance(expect, tuple) else (expect,)
    check(out.exit in wanted, f"restore ended with {out.exit}, not {wanted}: {out.told()[-3000:]}")
    return out


def copy_of(stage, name="restored"):
    """The tree as a backup system restores it: below the long path, on another place."""
    where = os.path.join(stage.folder, name)
    target = os.path.join(where, stage.root.lstrip("/"), "tree")
    shutil.copytree(os.path.join(stage.root, "tree"), target, symlinks=True)
    return where


def wipe(sim):
    """Every item of every drive is deleted."""
    for item in sim.expected():
        if len(item["names"]) == 1:
            sim.op("delete", drive=item["drive"], id=item["id"])


def tree_facts(stage):
    """What a tree holds, but for what the service sets: path -> facts. Paths are made of the names that the service
    has: a name that Linux can't hold gets a tag made of its id, and ids are new after a restore."""
    top = os.path.join(stage.root, "tree")
    known = {os.fsdecode(path): path for path, _ in walk(top)}
    names = {}
    out = {}
    for path in sorted(known, key=lambda p: p.count("/")):
        folder, leaf = os.path.split(path)
        if path.split("/")[0] == ".m365stage" or ".m365" in path.split("/"):
            continue
        where = os.path.join(top, path)
        beside = os.fsdecode(sidecar_path(os.fsencode(path)))
        meta = json.load(open(os.path.join(top, beside), encoding="utf-8")) if beside in known else {}
        name = meta["name"] if meta.get("type") in ("file", "folder") else leaf
        names[path] = (names[folder] + "/" if folder else "") + name
        item = {k: v for k, v in (meta.get("item") or {}).items() if k not in SERVICE_SET}
        item.get("file", {}).pop("hashes", None)  # the service makes those it did not have
        columns = {k: v for k, v in meta.get("columns", {}).items() if k not in NOT_WRITTEN}
        told = (meta.get("type"), *(json.dumps(part, sort_keys=True) for part in (item, meta.get("staged"), columns)))
        facts = os.lstat(where)
        bytes_ = "folder" if os.path.isdir(where) else (facts.st_size, int(facts.st_mtime), hash_of(where))
        check(names[path] not in out, f"two objects are called {names[path]}")
        out[names[path]] = (told, bytes_)
    return out


def check_equal(before, after):
    wrong = [f"{p}: {before.get(p)} -> {after.get(p)}"
             for p in sorted(set(before) | set(after)) if before.get(p) != after.get(p)]
    check(not wrong, f"{len(wrong)} differences after the round trip:\n  " + "\n  ".join(wrong[:12]))


def second_stage(w, name="second"):
    folder = os.path.join(w.folder, name)
    os.makedirs(folder)
    second = Stage(w.options.build, w.sim, folder)
    second.sync(expect=(0, 1))
    return second


def peak_of(stage, source, *arguments):
    """Runs a restore to its end; its peak of resident memory in MiB."""
    command = [stage.binary, "--config", stage.config_file, "--json", "restore", "--from", source, "--yes", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(OSError), open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            peak = max([peak, *(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))])
    check(process.wait() == 0, f"restore ended with {process.returncode}")
    return peak / 1024


def report_of(out):
    return {kind: counts for kind, counts in out.summary["kinds"].items()}


ONEDRIVE = "users/ada@contoso.example/onedrive"
BORDERS = {"empty.bin": 0, "one.bin": 1, "below.bin": 327679, "fragment.bin": 327680, "four.bin": 4 << 20,
           "ten.bin": 10 << 20, "ten-and-one.bin": (10 << 20) + 1, "sixty.bin": 60 << 20, "large.bin": 250 << 20}


@scenario
def restore_round_trip(options):
    """stage, wipe the tenant, restore, stage again: both trees are equal"""
    with World(options, "restore", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 0, "--specials", 0,
               "--files-per-drive", 40) as w:
        allow_restore(w.stage)
        for name, size in BORDERS.items():
            w.sim.op("create", user="ada", path="borders/" + name, type="file", size=size, seed=size + 7)
        w.sim.op("create", user="ada", path="borders/no files", type="folder")
        w.sim.op("create", user="ada", path="odd/" + "n" * 200 + "ü" * 40 + ".txt", type="file", text="long name")
        w.sim.op("touch", user="ada", path="borders", description="a folder of borders")
        w.stage.sync(expect=0)
        before = tree_facts(w.stage)
        source = copy_of(w.stage)
        wipe(w.sim)
        w.sim.forget_requests()
        plan = w.stage.run("--json", "restore", "--from", source, "--in-place", "--dry-run")
        check(plan.exit == 0 and plan.summary["plan"]["cannot_count"] == 0, plan.told())
        check(w.sim.get("requests")["write"] == 0, "a dry run wrote something")
        check(not os.path.exists(os.path.join(w.stage.root, "restore")), "a dry run left a journal")
        out = restore(w.stage, source, "--in-place")
        check_equal(before, tree_facts(second_stage(w)))
        again = quiet(w, source)
        w.sim.op("delete", user="ada", path="borders/ten.bin")
        w.sim.op("delete", user="ada", path="odd")
        restore(w.stage, source, "--in-place")
        check_equal(before, tree_facts(second_stage(w, "third")))
        wipe(w.sim)
        shutil.rmtree(os.path.join(w.stage.root, "restore"))
        peak = peak_of(w.stage, source, "--in-place")
        check_equal(before, tree_facts(second_stage(w, "fourth")))
        check(peak < 64 or w.stage.is_sanitized(), f"{peak:.0f} MiB of memory to restore files of up to 250 MiB")
        check_manners(w.sim)
        return f"{report_of(out)}; again: {again}; peak {peak:.0f} MiB"


def quiet(w, source, *more):
    """The same restore once more writes nothing."""
    w.sim.forget_requests()
    restore(w.stage, source, "--in-place", *more)
    asked = w.sim.get("requests")
    wrote = {k: asked[k] for k in ("write", "upload_session", "upload_fragment", "sharing") if asked[k]}
    check(not wrote, f"a finished restore wrote again: {wrote}")
    return f"{asked['requests']} requests, no writes"


@scenario
def restore_changed_since(options):
    """what was put back is changed and the same command is run again: left alone, or replaced, as --conflict says"""
    with World(options, "since", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
               "--files-per-drive", 3) as w:
        allow_restore(w.stage)
        names = ("plan.docx", "list.csv", "photo.jpg", "notes.txt", "disk.bin")
        for n, name in enumerate(names):
            w.sim.op("create", user="ada", path="Work/" + name, type="file", size=8000 + n, seed=n + 1)
        w.stage.sync(expect=0)
        before = tree_facts(w.stage)
        source = copy_of(w.stage)
        wipe(w.sim)
        restore(w.stage, source, "--in-place")
        restore(w.stage, source, "--in-place", "--conflict", "replace")

        def damage(seed):
            for name in names:
                w.sim.op("edit", user="ada", path="Work/" + name, size=8000 + seed, seed=seed, mtime=1800000000 + seed)
            return {i["path"]: (i["size"], i["mtime"]) for i in w.sim.expected() if i["path"].startswith("Work/")}

        damaged = damage(77)
        out = restore(w.stage, source, "--in-place", expect=1)
        check(report_of(out)["file"]["skipped"] == len(names), f"not left alone: {report_of(out)}")
        left = {i["path"]: (i["size"], i["mtime"]) for i in w.sim.expected() if i["path"].startswith("Work/")}
        check(left == damaged, f"other sizes or times than the user left: {left}, not {damaged}")
        for seed in (78, 79):
            damage(seed)
            restore(w.stage, source, "--in-place", "--conflict", "replace")
            check_equal(before, tree_facts(second_stage(w, f"after {seed}")))
        check_manners(w.sim)


@scenario
def restore_renamed(options):
    """in place, folders that were renamed or moved since are found by their ids, and no second one is made"""
    with World(options, "renamed", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
               "--files-per-drive", 3) as w:
        allow_restore(w.stage)
        for path in ("plain/a.txt", "plain/Deep/b.txt", "moved/c.txt", "gone/d.txt", "left/e.txt", "right/f.txt"):
            w.sim.op("create", user="ada", path=path, type="file", text=path)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        w.sim.op("rename", user="ada", path="plain", name="Renamed")
        w.sim.op("delete", user="ada", path="Renamed/a.txt")
        w.sim.op("move", user="ada", path="moved", to="Renamed/Deep")
        w.sim.op("delete", user="ada", path="Renamed/Deep/moved/c.txt")
        w.sim.op("delete", user="ada", path="gone")
        w.sim.op("delete", user="ada", path="right")
        w.sim.op("rename", user="ada", path="left", name="right")  # it has the name of another one of the tree
        work = [a for name in ("plain", "moved", "gone", "left") for a in ("--select", f"{ONEDRIVE}/{name}")]
        wanted = ["Renamed/Deep/b.txt", "Renamed/Deep/moved/c.txt", "Renamed/a.txt", "gone/d.txt", "right/e.txt"]
        out = restore(w.stage, source, *work, "--in-place")
        check(files_of(w) == wanted, f"{files_of(w)}")
        check(report_of(out)["folder"] == {"done": 1, "present": 4, "skipped": 0, "failed": 0, "open": 0}, report_of(out))
        wrote = quiet(w, source, *work)
        # Moved between two runs of one restore, it is still the same folder.
        w.sim.op("move", user="ada", path="Renamed/Deep/moved", to="")
        w.sim.op("delete", user="ada", path="moved/c.txt")
        restore(w.stage, source, *work, "--in-place")
        check("moved/c.txt" in files_of(w) and len(files_of(w)) == 5, f"{files_of(w)}")
        restore(w.stage, source, "--select", ONEDRIVE + "/plain", "--into", "New")
        check({"New/plain/a.txt", "New/plain/Deep/b.txt"} <= set(files_of(w)), f"a new place: {files_of(w)}")
        shutil.rmtree(os.path.join(w.stage.root, "restore"))
        restore(w.stage, source, "--select", ONEDRIVE, "--in-place", expect=(0, 1))
        there = [p for p in files_of(w) if p.endswith(("e.txt", "f.txt"))]
        check(there[-1] == "right/e.txt" and len(there) == 2, f"two folders that want one name: {there}")
        check_manners(w.sim)
        return f"{report_of(out)['folder']}; again: {wrote}"


def files_of(w):
    tops = ("plain", "Renamed", "moved", "gone", "left", "right", "New")
    return sorted(i["path"] for i in w.sim.expected() if i["type"] == "file" and i["names"][0].split(" (")[0] in tops)


@scenario
def restore_kills(options):
    """restore under faults, throttling and kill -9: nothing twice, nothing missing"""
    dice = random.Random(options.seed * 104729)
    with World(options, "restorekill", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 0, "--specials", 0,
               "--files-per-drive", 120) as w:
        allow_restore(w.stage)
        for n in range(3):
            w.sim.op("create", user="ada", path=f"large {n}.bin", type="file", size=(25 << 20) + n, seed=n + 99)
        w.stage.sync(expect=0)
        before = tree_facts(w.stage)
        source = copy_of(w.stage)
        wipe(w.sim)
        w.sim.fault("reset", service="graph", probability=0.02, seed=3)
        w.sim.fault("error", service="graph", probability=0.03, seed=4, status=503)
        w.sim.fault("reset", service="files", probability=0.03, seed=5)
        w.sim.fault("throttle", service="graph", probability=0.005, seed=6, retry_after="absent")
        w.sim.fault("delay", service="files", probability=0.5, delay_ms=20, seed=7)
        command = [w.stage.binary, "--config", w.stage.config_file, "--json", "restore", "--from", source,
                   "--in-place", "--yes"]
        kills = 0
        for _ in range(60 * options.rounds):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.1 + dice.random() * 0.9)
            if process.poll() is not None:
                break
            kill(process)
            kills += 1
        w.sim.clear_faults()
        out = restore(w.stage, source, "--in-place")
        twice = [i["path"] for i in w.sim.expected() if "(restored" in i["name"]]
        check(not twice, f"put back twice: {twice[:5]}")
        check_equal(before, tree_facts(second_stage(w)))
        quiet(w, source)
        return f"{kills} kills; {report_of(out)}"


@scenario
def restore_outage(options):
    """the service goes away in the middle of a restore: it ends soon, and goes on later"""
    with World(options, "restoreoutage", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
               "--files-per-drive", 0) as w:
        allow_restore(w.stage)
        for n in range(80):
            w.sim.op("create", user="ada", path=f"Work/{n}.txt", type="file", text=f"text {n}")
        w.stage.sync(expect=0)
        before = tree_facts(w.stage)
        source = copy_of(w.stage)
        wipe(w.sim)
        w.sim.fault("error", service="graph", status=503, nth=60, count=-1)
        started = time.monotonic()
        out = restore(w.stage, source, "--in-place", expect=4)
        seconds = time.monotonic() - started
        left = out.summary["left"]
        check("does not answer any more" in out.stderr and "the same command" in out.stderr, f"the reason: {out.stderr[-500:]}")
        check(all(e["state"] == "open" and e["reason"] for e in left), f"left: {left[:3]}")
        check(len(left) < 40, f"{len(left)} files were tried without an answer")
        w.sim.clear_faults()
        restore(w.stage, source, "--in-place")
        check_equal(before, tree_facts(second_stage(w)))
        return f"ended after {seconds:.0f} s with {len(left)} open"


@scenario
def restore_elsewhere(options):
    """restore into other places: conflicts, rights without mails, one file, export, damaged copies, no room"""
    with World(options, "elsewhere", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 0, "--specials", 0,
               "--files-per-drive", 10) as w:
        out = w.stage.run("restore", "--from", w.folder, "--yes")
        check(out.exit == 2 and "restore_app" in out.stderr, f"no restore_app: {out.exit} {out.told()}")
        allow_restore(w.stage)
        w.sim.op("create", user="ada", path="Work/a.txt", type="file", text="first")
        w.sim.op("create", user="ada", path="Work/b.txt", type="file", text="same")
        w.sim.op("share", user="ada", path="Work/a.txt", role="write", email="bela@contoso.example")
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        out = w.stage.run("restore", "--from", source, "--in-place")
        check(out.exit == 2 and "--yes" in out.stderr, f"nobody to ask: {out.exit} {out.told()}")
        work = "users/ada@contoso.example/onedrive/Work"
        w.sim.op("edit", user="ada", path="Work/a.txt", text="second")
        restore(w.stage, source, "--select", work, "--in-place", expect=1)
        check(content_of(w, "Work/a.txt") == {"Work/a.txt": 6}, "skip changed something")
        restore(w.stage, source, "--select", work, "--in-place", "--conflict", "rename")
        sizes = content_of(w, "Work/")
        check(sizes == {"Work/a.txt": 6, "Work/a (restored).txt": 5, "Work/b.txt": 4}, f"rename: {sizes}")
        restore(w.stage, source, "--select", work + "/a.txt", "--in-place", "--conflict", "replace")
        check(content_of(w, "Work/a.txt") == {"Work/a.txt": 5}, "replace did not")
        restore(w.stage, source, "--select", work, "--to", "users/bela@contoso.example/From Ada", "--into", "Old",
                "--permissions")
        tenant = w.sim.get("tenant")
        check(tenant["invitations_sent"] == 0, "somebody got an invitation")
        shared = [i["permissions"] for i in w.sim.expected() if i["path"] == "From Ada/Old/Work/a.txt"]
        check(shared and shared[0] and shared[0][0]["role"] == "write", f"the right is not there: {shared}")
        restore(w.stage, os.path.join(source, w.stage.root.lstrip("/"), "tree", work))
        folders = {i["names"][0] for i in w.sim.expected() if i["names"][0].startswith("Restored ")}
        check(len(folders) == 1, f"no new folder: {folders}")
        out = w.stage.run("restore", "--from", source, "--select", work + "/a.txt", "--to", "groups/nobody", "--yes")
        check("groups/nobody: there is no group of this mail nickname" in out.stdout, f"no such group: {out.told()}")
        exported(w, source)
        damaged(w, source, work)
        w.sim.post("auth", roles=["Files.Read.All"], expire_all=True)
        out = w.stage.run("--json", "restore", "--from", source, "--in-place", "--dry-run")
        check(out.exit == 3 and "Files.ReadWrite.All" in out.stdout, f"missing permission: {out.exit} {out.told()}")
        out = restore(w.stage, source, "--in-place", expect=3)
        check(out.summary["exit"] == 3 and all("Files.ReadWrite.All" in left["reason"] for left in out.summary["left"]), out.told())
        check_manners(w.sim)


@scenario
def restore_dead_people(options):
    """a link or a right for somebody who is gone: the others get theirs, and the report names who does not"""
    with World(options, "deadpeople", "--seed", options.seed, "--users", 3, "--sites", 0, "--groups", 0, "--specials", 0,
               "--files-per-drive", 3) as w:
        allow_restore(w.stage)
        bela, gone = "bela@contoso.example", "gone@contoso.example"
        for path in ("link.txt", "right.txt"):
            w.sim.op("create", user="ada", path="Shared/" + path, type="file", text=path)
        w.sim.op("share", user="ada", path="Shared/link.txt", role="write", scope="users", email=bela, others=[gone])
        w.sim.op("share", user="ada", path="Shared/right.txt", role="read", email=gone)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        new = ("--select", ONEDRIVE + "/Shared", "--into", "New", "--permissions")
        for _ in range(2):
            out = restore(w.stage, source, *new, expect=1)
            left = {x["path"].split("\n")[0].split("/")[-1]: x["reason"] for x in out.summary["left"]}
            check(set(left) == {"link.txt", "right.txt"}, f"left: {left}")
            check(all(gone in why and bela not in why for why in left.values()), f"who is it: {left}")
            given = [i["permissions"] for i in w.sim.expected() if i["path"] == "New/Shared/link.txt"]
            check([[p["email"] for p in each] for each in given] == [[bela]], f"the link: {given}")
        check(w.sim.get("tenant")["invitations_sent"] == 0, "somebody got an invitation")
        check_manners(w.sim)
        return f"{left}"


def content_of(w, prefix):
    return {i["path"]: i["size"] for i in w.sim.expected()
            if i["path"].startswith(prefix) and i["type"] == "file" and i["owner"].get("upn") == "ada@contoso.example"}


def exported(w, source):
    target = os.path.join(w.folder, "plain")
    out = w.stage.run("--json", "export", "--from", source, "--to", target)
    check(out.exit == 0, f"export: {out.told()}")
    files = {os.fsdecode(p) for p, facts in walk(target) if not os.path.isdir(os.path.join(os.fsencode(target), p))}
    staged = {os.fsdecode(p) for p, _ in walk(os.path.join(w.stage.root, "tree"))
              if not os.path.isdir(os.path.join(os.fsencode(w.stage.root), b"tree", p))}
    wanted = {p for p in staged if ".m365" not in p.split("/") and not p.startswith(".m365stage")}
    check(files == wanted, f"export: {sorted(files ^ wanted)[:5]}")
    again = w.stage.run("--json", "export", "--from", source, "--to", target)
    check(again.summary["files"] == 0 and again.summary["present"] == len(wanted), again.told())


def damaged(w, source, work):
    top = os.path.join(source, w.stage.root.lstrip("/"), "tree", work)
    with open(os.path.join(top, "b.txt"), "w", encoding="utf-8") as f:
        f.write("evil")
    with open(os.path.join(top, ".m365/a.txt.json"), "a", encoding="utf-8") as f:
        f.write(" ")
    os.symlink("/etc/passwd", os.path.join(top, "link.txt"))
    out = restore(w.stage, source, "--select", work, "--into", "Damaged", expect=1)
    reasons = {os.path.basename(left["path"]): left["reason"] for left in out.summary["left"]}
    check(set(reasons) == {"a.txt", "b.txt", "link.txt"}, f"refused: {reasons}")
    check("sidecar is damaged" in reasons["a.txt"] and "copy is damaged" in reasons["b.txt"], f"{reasons}")
    aside = os.path.join(w.folder, "aside")
    os.rename(os.path.join(top, ".m365"), aside)
    os.symlink(aside, os.path.join(top, ".m365"))
    out = restore(w.stage, source, "--select", work, "--into", "Damaged", expect=1)
    reasons = {os.path.basename(left["path"]): left["reason"] for left in out.summary["left"]}
    check(set(reasons) == {"a.txt", "b.txt", "link.txt"}, f"a link in place of the sidecars: {reasons}")
    for place in ("users/", "../x", "planets/mars"):
        out = w.stage.run("restore", "--from", source, "--to", place, "--yes")
        check(out.exit == 2 and "--to" in out.stderr, f"--to {place}: {out.exit} {out.told()}")


@scenario
def restore_targets(options):
    """restore into sites and groups, from parts of a tree, past links, while the tenant throttles and fails"""
    with World(options, "targets", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 1, "--specials", 0,
               "--files-per-drive", 5) as w:
        allow_restore(w.stage)
        sizes = {"Work/a.txt": 5, "Work/Deep/b.bin": 400_000, "Work/Deep/c.bin": 0}
        for path, size in sizes.items():
            w.sim.op("create", user="ada", path=path, type="file", size=size, seed=size + 3)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        tree = os.path.join(source, w.stage.root.lstrip("/"), "tree")
        work = os.path.join(tree, "users/ada@contoso.example/onedrive/Work")
        os.symlink("/etc", os.path.join(work, "a link to a folder"))
        w.sim.fault("throttle", service="graph", probability=0.05, seed=6, retry_after=1)
        w.sim.fault("error", service="graph", probability=0.05, seed=4, status=503)
        w.sim.fault("reset", service="files", probability=0.05, seed=5)
        group = sorted(os.listdir(os.path.join(tree, "groups")))[0]
        site = next(folder for folder, names, _ in os.walk(os.path.join(tree, "sites")) if "libraries" in names)
        site = os.path.relpath(site, tree)
        library = sorted(n for n in os.listdir(os.path.join(tree, site, "libraries")) if n != ".m365")[0]
        part = os.path.join(w.folder, "part")  # one folder alone, as somebody copies it
        shutil.copytree(work, part, symlinks=True)
        for number, place in enumerate((f"groups/{group}/From Ada", f"{site}/libraries/{library}/From Ada",
                                        "users/bela@contoso.example/onedrive/From Ada")):
            out = restore(w.stage, part if number == 2 else work, "--to", place, "--into", "Old", expect=1)
            left = {os.path.basename(x["path"]): x["reason"] for x in out.summary["left"]}
            check(set(left) == {"a link to a folder"}, f"{place}: {left}")
            check(out.summary["kinds"]["file"]["done"] == 3, f"{place}: {out.summary['kinds']}")
        found = [i for i in w.sim.expected() if i["path"].startswith("From Ada/Old/") and i["type"] == "file"]
        owners = {json.dumps(i["owner"], sort_keys=True) for i in found}
        check(len(found) == 9 and len(owners) == 3, f"{len(found)} files of {len(owners)} owners")
        for i in found:
            name = "/".join(i["path"].split("/")[2:])
            size = sizes.get(name, sizes.get("Work/" + name))
            check(i["size"] == size, f"{i['path']}: {i['size']} bytes, not {size}")
        check_manners(w.sim)
        return f"{group}, {site}, a part alone"
