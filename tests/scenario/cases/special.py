"""What random changes meet too seldom."""

import hashlib
import json
import os
import time

from cases import scenario
from harness import Failed, World, check, check_index, check_manners, compare
from running import wait_until


def small(options, name, *more):
    return World(options, name, "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, *more)


def inodes_below(stage, folder):
    prefix = os.fsencode(folder) + b"/"
    return {path[len(prefix):]: facts[0] for path, facts in stage.snapshot().items() if path.startswith(prefix)}


@scenario
def big_folder_renamed(options):
    """a folder of 2,000 files is renamed and moved: no download, one rename, the children are not touched"""
    with small(options, "rename") as w:
        w.sim.post("bulk", user="big", items=2000, folders=20, file_size=100, seed=3)
        user = "big@contoso.example"
        top = "users/" + user + "/onedrive/"
        w.sim.op("create", user=user, path="above", type="folder")
        w.sim.op("create", user=user, path="above/within", type="folder")
        names = {i["names"][0] for i in w.sim.expected() if i["owner"].get("upn") == user and i["type"] == "file"}
        for name in sorted(names - {"above"}):
            w.sim.op("move", user=user, path=name, to="above/within")
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        before = w.stage.snapshot()
        check(len(inodes_below(w.stage, top + "above/within")) > 4000, "the folder is not big")
        w.sim.forget_requests()
        w.sim.op("rename", user=user, path="above", name="renamed")
        w.stage.sync(expect=(0, 1))
        judge_rename(w, before, top + "above", top + "renamed")
        before = w.stage.snapshot()
        w.sim.op("create", user=user, path="other", type="folder")
        w.sim.op("move", user=user, path="renamed", to="other")
        w.stage.sync(expect=(0, 1))
        judge_rename(w, before, top + "renamed", top + "other/renamed")
        check(not w.sim.downloads(), f"a rename downloads {len(w.sim.downloads())} files")
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


def judge_rename(w, before, old, new):
    after = w.stage.snapshot()
    old, new = os.fsencode(old), os.fsencode(new)
    moved = [path for path in before if path.startswith(old + b"/")]
    for path in moved:
        there = after.get(new + path[len(old):])
        check(there == before[path], f"{os.fsdecode(path)} was touched: {before[path]} -> {there}")
    check(after[new][0] == before[old][0], "the folder is another one than before")
    last = w.stage.rows("SELECT max(id) AS id FROM generation")[0]["id"]
    told = w.stage.rows("SELECT count(*) AS n FROM change WHERE generation=? AND what IN (4, 5)", last)[0]["n"]
    check(told == 1, f"{told} renames are recorded, not one")


@scenario
def crossing_renames(options):
    """names that change places, rings of three, a folder into what was inside it"""
    with small(options, "cross", "--specials", 0) as w:
        user = "ada@contoso.example"
        for name in ("a", "b", "c", "one", "one/two"):
            w.sim.op("create", user=user, path=name, type="folder")
            for n in range(3):
                w.sim.op("create", user=user, path=f"{name}/{n}.txt", type="file", size=50, seed=n)
        for name in ("x.txt", "y.txt", "z.txt"):
            w.sim.op("create", user=user, path=name, type="file", text=name)
        w.stage.sync(expect=0)
        compare(w.stage)
        w.sim.forget_requests()

        def rename(path, name):
            w.sim.op("rename", user=user, path=path, name=name)

        w.sim.op("swap", user=user, path="x.txt", **{"with": "y.txt"})
        w.sim.op("swap", user=user, path="a", **{"with": "b"})
        w.stage.sync(expect=0)
        compare(w.stage)
        for first, second, third in (("x.txt", "y.txt", "z.txt"), ("a", "b", "c")):
            rename(first, "free")
            rename(second, first)
            rename(third, second)
            rename("free", third)
        w.stage.sync(expect=0)
        compare(w.stage)
        w.sim.op("move", user=user, path="one/two", to="")
        w.sim.op("move", user=user, path="one", to="two")
        w.stage.sync(expect=0)
        compare(w.stage)
        # The name of a folder goes to one of its own files, and back.
        w.sim.op("move", user=user, path="c/0.txt", to="")
        rename("c", "was c")
        rename("0.txt", "c")
        w.stage.sync(expect=0)
        compare(w.stage, quiet=True)
        check(not w.sim.downloads(), f"renames download {w.sim.downloads()}")
        check_manners(w.sim)
    return ""


@scenario
def guard(options):
    """60 % of a drive are deleted: held, exit 6; approved: removed"""
    with small(options, "guard", "--specials", 0) as w:
        w.sim.post("bulk", user="big", items=200, folders=10, file_size=100, seed=3)
        w.stage.configure(guard={"max_deleted_share": 0.3, "min_deleted_items": 50})
        w.stage.sync(expect=0)
        compare(w.stage)
        before = w.stage.snapshot()
        files = [i for i in w.sim.expected() if i["owner"].get("upn", "").startswith("big@") and i["type"] == "file"]
        for item in files[: len(files) * 6 // 10]:
            w.sim.op("delete", drive=item["drive"], id=item["id"])
        for attempt in range(2):  # also the passes after it
            out = w.stage.sync(expect=6)
            check(out.summary["held"] >= 50, f"held: {out.told()}")
            check(w.stage.snapshot() == before, f"pass {attempt}: something was removed though it is held")
        # What is not a deletion goes on.
        w.sim.op("create", drive=files[0]["drive"], path="new.txt", type="file", text="new")
        w.stage.sync(expect=6)
        where = os.path.join(w.stage.root, "tree/users/big@contoso.example/onedrive/new.txt")
        check(os.path.exists(where), "a new file is not staged while deletions are held")
        approve(w.stage, "users/big@contoso.example/onedrive")
        w.stage.sync(expect=0)
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


def approve(stage, key):
    if stage.run("guard", "approve", key).exit == 2:  # the command is not built in
        stage.write("UPDATE container SET guard_approved=round, settle=1 WHERE key=?", key)


@scenario
def expired_urls(options):
    """download addresses that expire at once: fresh ones are asked for"""
    with small(options, "urls", "--files-per-drive", 60) as w:
        w.sim.post("settings", download_url_lifetime=1)
        # Two at a time and 100 ms each: most addresses are a second old before their turn comes.
        w.sim.fault("delay", service="files", delay_ms=100)
        w.stage.configure(sync={"concurrency": 2})
        w.stage.sync(expect=(0, 1))
        refused = w.sim.get("requests")["status_401"]
        check(refused > 0, f"no address had expired: {w.sim.get('requests')}")
        w.sim.clear_faults()
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return f"{refused} expired addresses"


def served_hash(w, item):
    return next(i["sha256"] for i in w.sim.expected() if i["id"] == item)


def staged_hash(stage, path):
    try:
        with open(os.path.join(stage.root, "tree", path), "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except FileNotFoundError:
        return None


@scenario
def changed_in_parts(options):
    """a file without a hash changes while it comes in parts: no part of one version is put behind another's"""
    user, path, size = "ada@contoso.example", "parts.bin", 200000
    looks = 0
    with small(options, "parts", "--specials", 0) as w:
        w.stage.sync(expect=0)
        for etags in (True, False):
            w.sim.post("settings", file_etags=etags)
            for expires in (True, False):
                for edited in (True, False):
                    made = w.sim.op("create", user=user, path=path, type="file", size=size, seed=1, no_hash=True)
                    # What is sent is fixed before the delay, so the edit comes between the parts.
                    w.sim.fault("short_body", service="files", bytes=size // 2, count=1, delay_ms=1000)
                    if expires:
                        w.sim.fault("expired_url", service="files", nth=2, count=1)
                    w.sim.forget_requests()
                    versions = {served_hash(w, made["id"])}
                    process = w.stage.start()
                    wait_until(lambda: w.sim.downloads().get(made["id"]), "the first part")
                    if edited:
                        w.sim.op("edit", user=user, path=path, size=size, seed=2)
                        versions.add(served_hash(w, made["id"]))
                    check(process.wait(120) in (0, 1), f"the pass ended with {process.returncode}")
                    case = f"ETags {etags}, expired {expires}, edited {edited}"
                    staged = staged_hash(w.stage, f"users/{user}/onedrive/{path}")
                    check(staged in versions | {None}, f"{case}: what is staged was never a version of the file")
                    looks += w.sim.downloads().get(made["id"], 0)
                    w.sim.clear_faults()
                    try:
                        check_index(w.stage)
                        w.stage.hurry()
                        w.stage.sync(expect=0)
                        compare(w.stage, quiet=True)
                    except Failed as e:
                        raise Failed(f"{case}: {e}") from e
                    w.sim.op("delete", user=user, path=path)
                    w.stage.sync(expect=0)
        check_manners(w.sim)
    return f"{looks} downloads"


@scenario
def altered_file(options):
    """a file that the service serves otherwise than announced is kept, with a verdict"""
    with small(options, "altered") as w:
        w.stage.sync(expect=(0, 1))
        altered = [i for i in w.sim.expected() if i["altered"]]
        check(altered, "the tenant has no altered file")
        compare(w.stage, quiet=True)  # looks at the verdict
        user = "ada@contoso.example"
        w.sim.op("create", user=user, path="label.docx", type="file", size=5000, seed=4)
        w.stage.sync(expect=(0, 1))
        w.sim.op("edit", user=user, path="label.docx", size=6000, seed=5)
        w.sim.op("altered", user=user, path="label.docx", on=True, served_size=6100)
        w.stage.sync(expect=(0, 1))
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


@scenario
def altered_without_hash(options):
    """a file without a hash that is not as long as announced: shown again, renamed and after a 410, it is not fetched"""
    user = "ada@contoso.example"
    with small(options, "untold", "--specials", 0) as w:
        w.sim.op("create", user=user, path="old.docx", type="file", size=5000, seed=4, no_hash=True)
        w.sim.op("altered", user=user, path="old.docx", on=True, served_size=5100)
        w.stage.sync(expect=0)
        compare(w.stage)
        before = w.stage.snapshot()[os.fsencode(f"users/{user}/onedrive/old.docx")]

        def not_fetched(what, path):
            w.sim.forget_requests()
            w.stage.sync(expect=0)
            w.sim.clear_faults()
            compare(w.stage)
            after = w.stage.snapshot()[os.fsencode(f"users/{user}/onedrive/{path}")]
            check(after[0] == before[0], f"{what}: the file was made anew")
            check(not w.sim.downloads(), f"{what}: {w.sim.downloads()} downloads")

        w.sim.fault("replay", items=100)
        not_fetched("shown again", "old.docx")
        w.sim.op("rename", user=user, path="old.docx", name="new.docx")
        not_fetched("renamed", "new.docx")
        w.sim.fault("resync", count=5)
        not_fetched("a 410", "new.docx")
        # The bytes that are in the tree already are not placed again.
        w.sim.op("touch", user=user, path="new.docx", mtime=1_500_000_000)
        w.stage.sync(expect=0)
        compare(w.stage, quiet=True)
        after = w.stage.snapshot()[os.fsencode(f"users/{user}/onedrive/new.docx")]
        check(after[0] == before[0], "another time alone: the file was made anew")
        check_manners(w.sim)
    return ""


@scenario
def lost_content(options):
    """the file host knows nothing of a file that the service shows: owed with a reason at once, not taken for gone"""
    user = "ada@contoso.example"
    with small(options, "lost", "--specials", 0) as w:
        w.stage.sync(expect=0)
        w.sim.op("create", user=user, path="lost.bin", type="file", size=100, seed=4)
        w.sim.fault("expired_url", service="files", status=404, count=-1)
        w.stage.sync(expect=1)
        owed = w.stage.rows("SELECT reason, error FROM owed")
        check([row["reason"] for row in owed] == ["not_found"], f"owed: {[tuple(row) for row in owed]}")
        w.sim.clear_faults()
        w.stage.hurry()
        w.stage.sync(expect=0)
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


@scenario
def content_before_permissions(options):
    """permissions that can't be read keep no content back: it is staged, with those of before, and owed until they are there"""
    user = "ada@contoso.example"
    with small(options, "sides", "--specials", 0) as w:
        for name in ("edited.txt", "known.txt"):
            w.sim.op("create", user=user, path=name, type="file", text="first")
            w.sim.op("share", user=user, path=name, role="read", email="bela@contoso.example")
        w.stage.sync(expect=0)
        folder = os.path.join(w.stage.root, "tree/users", user, "onedrive")

        def told(name):
            with open(os.path.join(folder, ".m365", name + ".json"), encoding="utf-8") as file:
                return json.load(file).get("permissions")

        shared = told("edited.txt")
        check(shared, "no permissions are staged")
        w.sim.fault("error", path="/permissions", status=500, count=-1)
        w.sim.op("edit", user=user, path="edited.txt", text="second")
        w.sim.op("create", user=user, path="new.txt", type="file", text="new")
        w.sim.op("share", user=user, path="new.txt", role="read", email="bela@contoso.example")
        for _ in range(2):  # staged by the first pass; the second one asks again, in vain
            w.stage.sync(expect=1, timeout=120)
            for name, text in (("edited.txt", "second"), ("new.txt", "new")):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    check(file.read() == text, f"{name} is kept back")
            check(told("edited.txt") == shared, "the permissions of before are gone")
            check(told("new.txt") is None, "permissions from nowhere")
            owed = w.stage.rows("SELECT reason, error FROM owed")
            check([row["reason"] for row in owed] == ["server"] * 2, f"owed: {[tuple(row) for row in owed]}")
            check_index(w.stage)
            w.stage.hurry()
        w.sim.clear_faults()
        w.sim.forget_requests()
        w.stage.sync(expect=0)
        check(not w.sim.downloads(), "the content was fetched once more")
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


@scenario
def name_collisions(options):
    """two live items of one name, names Linux can't hold, names of our own"""
    with small(options, "names", "--specials", 0) as w:
        user = "ada@contoso.example"
        root = next(d["root"] for d in w.sim.get("tenant")["drives"] if d["owner_kind"] == "user")
        for n, name in enumerate((".m365", ".m365stage", "a\u0001b.txt", "x" * 255, "ü" * 200 + ".docx", "y" * 250,
                                  "z" * 251, "~" * 3, "con", "a.json", ".hidden", "trailing.", "..", ".", "two\nlines.txt",
                                  "nul\u0000.txt", "a/b", "../../../etc/passwd", "/etc/passwd", "\u0000", "\r\n",
                                  "esc\u001b[2J.txt", "rtl\u202egpj.exe")):
            w.sim.op("create", user=user, parent=root, name=name, type="file" if n % 2 else "folder", size=10, seed=n,
                     force=True)
        first = w.sim.op("create", user=user, path="twin.txt", type="file", text="first")
        w.sim.op("create", user=user, parent=root, name="twin.txt", type="file", text="second", force=True)
        w.stage.sync(expect=0)
        compare(w.stage, quiet=True)
        w.sim.op("delete", drive=first["drive"], id=first["id"])
        w.stage.sync(expect=0)
        compare(w.stage)
        check_manners(w.sim)
    return ""


@scenario
def sharing(options):
    """permissions follow a shared file through renames, edits and the end of sharing"""
    with small(options, "sharing", "--specials", 0) as w:
        user = "ada@contoso.example"
        w.sim.op("create", user=user, path="folder", type="folder")
        w.sim.op("create", user=user, path="s.txt", type="file", text="shared")
        w.stage.sync(expect=0)
        path = "s.txt"
        for what, more in (("share", {"role": "read", "email": "bela@contoso.example"}), ("edit", {"text": "other"}),
                           ("rename", {"name": "t.txt"}), ("share", {"role": "write", "scope": "organization"}),
                           ("move", {"to": "folder"}), ("touch", {"description": "about"}), ("unshare", {})):
            w.sim.op(what, user=user, path=path, **more)
            path = {"rename": "t.txt", "move": "folder/t.txt"}.get(what, path)
            w.stage.sync(expect=0)
            compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


@scenario
def one_at_a_time(options):
    """a second process on the same stage is refused and names the first"""
    with small(options, "lock") as w:
        w.sim.fault("delay", service="graph", delay_ms=300)
        process = w.stage.start()
        deadline = time.monotonic() + 20
        while not os.path.exists(os.path.join(w.stage.root, "index.db")) and time.monotonic() < deadline:
            time.sleep(0.02)
        out = w.stage.sync(expect=7)
        check(str(process.pid) in out.stderr, f"the holder is not named: {out.told()}")
        process.wait(120)
        w.sim.clear_faults()
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
    return out.stderr.strip()


@scenario
def rebuilt_index(options):
    """the index made anew from the sidecars: the next pass downloads nothing and touches nothing"""
    with World(options, "rebuild", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 1,
               "--files-per-drive", 25, "--messages-per-mailbox", 25) as w:
        w.stage.configure(kinds=["onedrive", "sharepoint", "groups", "mail"])
        w.stage.sync(expect=(0, 1))
        w.sim.change(options.seed + 1, 40)
        w.sim.post("exchange/change", seed=options.seed, count=40)
        w.stage.sync(expect=(0, 1))
        staged = listing(w.stage)
        before = w.stage.snapshot()
        for name in ("index.db", "index.db-wal", "index.db-shm"):
            path = os.path.join(w.stage.root, name)
            if os.path.exists(path):
                os.remove(path)
        built = w.stage.run("index", "rebuild")
        check(built.exit == 0, f"index rebuild: {built.told()[-1500:]}")
        check(listing(w.stage) == staged, "the rebuilt index lists other items")
        w.sim.forget_requests()
        w.stage.sync(expect=(0, 1))
        check(not w.sim.downloads(), f"downloaded again: {list(w.sim.downloads().items())[:5]}")
        after = {path: facts for path, facts in w.stage.snapshot().items() if not path.startswith(b".m365stage")}
        before = {path: facts for path, facts in before.items() if not path.startswith(b".m365stage")}
        touched = [os.fsdecode(p) for p in set(before) | set(after) if before.get(p) != after.get(p)]
        check(not touched, f"touched: {sorted(touched)[:8]}")
        check(listing(w.stage) == staged, "after a pass the index lists other items")
        w.sim.change(options.seed + 2, 40)
        w.sim.post("exchange/change", seed=options.seed + 1, count=20)
        w.stage.sync(expect=(0, 1))
        check_manners(w.sim)
        verified = w.stage.run("verify")
        check(verified.exit == 0, f"verify: {verified.told()[-1500:]}")
    return f"{len(staged)} items"


def listing(stage):
    """What is staged, without what a rebuilt index can't know: why something is not."""
    items = map(json.loads, stage.run("ls", "--json").stdout.splitlines())
    return {(i["container"], i["id"]): i for i in items if i["state"] == "staged"}
