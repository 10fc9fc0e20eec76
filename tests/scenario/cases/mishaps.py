"""Mistakes of people and of machines that a pass must survive and tell of."""

import os
import pty
import re
import select
import subprocess
import time

from cases import scenario
from cases.disk import Mount
from harness import Simulator, Stage, World, check, check_index, check_manners, compare, kill
from running import ask, before, free_port, readiness, serving, wait_until


def small(options, name, *more):
    return World(options, name, "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0, "--specials", 0,
                 "--files-per-drive", 8, *more)


@scenario
def only_nothing(options):
    """sync --only with a pattern that fits nothing: exit 2 and a sentence, with and without a service"""
    with small(options, "onlynone") as w:
        out = w.stage.sync("--only", "users/anna@*", expect=2)
        line = out.stderr.strip().splitlines()[-1]
        check("no container matches 'users/anna@*'" in line, f"it is not told: {line}")
        w.stage.sync("--only", "users/ada@*", expect=0)
        w.stage.sync(expect=0)
        compare(w.stage, quiet=True)
    with serving(options, "onlyserved", "--users", 1, "--sites", 0, "--specials", 0) as (w, service):
        wait_until(lambda: readiness(w.stage)[0] == 200, "the first pass", longest=60)
        out = w.stage.run("sync", "--only", "nobody")
        check(out.exit == 2 and "no container matches" in out.stderr, f"exit {out.exit}: {out.told()}")
        check(readiness(w.stage) == (200, []), "a mistaken request made the service unready")
        before(w.stage, "1")
    return line


def waiting(stage):
    """Bytes that wait in the spool, by the index; and files that lie there."""
    with_content = stage.rows("SELECT coalesce(sum(spool_size), 0) FROM pending WHERE spool IS NOT NULL")[0][0]
    return with_content, [n for n in os.listdir(os.path.join(stage.root, "spool")) if n[0].isdigit()]


@scenario
def spool_of_no_use(options):
    """a spool that filled up under a lease with what is gone now: a departed user's, or deleted and held: passes end"""
    first, second = "gone@contoso.example", "emptied@contoso.example"
    with small(options, "nouse") as w:
        stage = w.stage
        stage.configure(stage={"spool_max_bytes": "1MiB"}, guard={"max_deleted_share": 0.3, "min_deleted_items": 3})
        stage.sync(expect=0)

        def under_lease(what):
            now = int(time.time())
            stage.write("INSERT INTO lease (job_id, holder, since, until) VALUES ('7', 'n', ?, ?)", now, now + 3600)
            what()
            stage.sync(expect=0)
            check(waiting(stage)[0] >= 1 << 20, f"the spool is not full: {waiting(stage)}")

        def come(user):
            w.sim.post("directory", op="add_user", name=user.split("@")[0])
            w.sim.post("bulk", user=user, items=30, folders=1, file_size=100000, seed=5)

        def released(name):
            """The lease ends; what is new elsewhere comes."""
            stage.write("DELETE FROM lease")
            w.sim.op("create", user="ada@contoso.example", path=name, type="file", text="new")
            out = stage.sync(expect=(0, 6), timeout=60)
            check(waiting(stage) == (0, []), f"there is something in the spool: {waiting(stage)}")
            check(os.path.exists(os.path.join(stage.root, "tree/users/ada@contoso.example/onedrive", name)), out.told())
            return out.exit

        under_lease(lambda: come(first))
        w.sim.post("directory", op="remove_user", name=first)
        stage.sync(expect=0)
        check(released("behind a departed user.txt") == 0, "a departed user's files are held against the pass")
        compare(stage)

        come(second)
        stage.sync(expect=0)
        files = [i["id"] for i in w.sim.expected() if i["owner"].get("upn") == second and i["type"] == "file"]
        under_lease(lambda: [w.sim.op("edit", user=second, id=i, size=100000, seed=n) for n, i in enumerate(files)])
        for i in files:
            w.sim.op("delete", user=second, id=i)
        stage.sync(expect=0)
        check(released("behind deletions.txt") == 6, "the deletions are not held")
        stage.run("guard", "approve", f"users/{second}/onedrive")
        stage.sync(expect=0)
        compare(stage, quiet=True)
    return ""


@scenario
def larger_than_disk(options):
    """a file larger than the disk is owed with the reason disk; all else is staged; with room it comes"""
    with small(options, "toolarge") as w:
        user = "ada@contoso.example"
        with Mount(os.path.join(w.folder, "disk"), "64m") as disk:
            stage = Stage(options.build, w.sim, w.folder, os.path.join(disk.folder, "stage"))
            w.sim.op("create", user=user, path="huge.bin", type="file", size=90 << 20, seed=5)
            w.sim.op("create", user=user, path="fits.bin", type="file", size=9 << 20, seed=6)
            out = stage.sync(expect=1)
            rows = stage.rows("SELECT reason, error FROM pending")
            check([r["reason"] for r in rows] == ["disk"], f"owed: {[tuple(r) for r in rows]}")
            check("90 MiB" in rows[0]["error"], f"it is not told how much: {rows[0]['error']}")
            check(not w.sim.downloads().get(item_named(w, "huge.bin")), "it was begun all the same")
            wanted = sum(item["type"] == "file" for item in w.sim.expected()) - 1
            staged = stage.rows("SELECT count(*) FROM item WHERE type=1 AND sha256 IS NOT NULL")[0][0]
            check(staged == wanted, f"{staged} files are staged, not {wanted}")
            check_index(stage)
            disk.remount("size=200m")
            stage.hurry()
            stage.sync(expect=0)
            compare(stage, quiet=True)
        check_manners(w.sim)
    return out.stderr.strip().splitlines()[-1] if out.stderr.strip() else ""


def item_named(w, name):
    return next(item["id"] for item in w.sim.expected() if item["name"] == name)


@scenario
def nobody_answers(options):
    """Microsoft 365 does not answer: a terminal, the log and the service say so while it is tried again"""
    with small(options, "silent", "--port", free_port(), "--files-port", free_port()) as w:
        w.stage.sync(expect=0)
        kill(w.sim.process)
        shown = on_terminal(w.stage, "no answer")
        check("refused" in shown, f"the cause is not shown: {shown[-300:]}")
        out = w.stage.sync(expect=4)
        told = [line for line in out.stderr.splitlines() if "no answer, trying again" in line]
        check(len(told) == 1, f"told {len(told)} times: {out.stderr}")
        w.sim = w.stage.sim = Simulator(options.simulator, w.folder, *w.arguments)
        w.stage.sync(expect=0)
        compare(w.stage)
    with serving(options, "silentserve", "--users", 1, "--sites", 0, "--specials", 0) as (w, service):
        wait_until(lambda: readiness(w.stage)[0] == 200, "the first pass", longest=60)
        kill(w.sim.process)
        silence = wait_for_silence(w.stage)
        check(silence["error"]["kind"] == "transport", f"another kind: {silence}")
        check("no answer" in service.log(), "the log does not tell")
    return told[0]


def wait_for_silence(stage):
    found = []

    def silent():
        service = ask(stage, "GET", "/api/v1/status").document()["service"]
        found.append(service["no_answer"])
        return found[-1] is not None

    wait_until(silent, "the service says that nobody answers", longest=60)
    return found[-1]


def on_terminal(stage, wanted=None, longest=60):
    """What a `sync` shows on a terminal: until it shows `wanted`, then it is stopped; or until it ends."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([stage.binary, "--config", stage.config_file, "sync"], stderr=theirs,
                               stdout=subprocess.DEVNULL)
    os.close(theirs)
    shown, until = "", time.monotonic() + longest
    try:
        while (wanted is None or wanted not in shown) and time.monotonic() < until:
            ready, _, _ = select.select([ours], [], [], 1)
            if ready:
                try:
                    shown += os.read(ours, 65536).decode(errors="replace")
                except OSError:
                    break  # it has ended
    finally:
        process.terminate()
        process.wait(60)
        os.close(ours)
    check(wanted is None or wanted in shown, f"the terminal does not show '{wanted}': {shown[-500:]}")
    return shown


@scenario
def progress_shown(options):
    """a terminal shows how many containers and files are done, of how many, while they are"""
    with small(options, "progress", "--messages-per-mailbox", 20) as w:
        w.stage.configure(kinds=["onedrive", "mail"], limits={"mailbox_requests_per_10min": "unlimited"})
        w.sim.fault("delay", delay_ms=60)
        shown = on_terminal(w.stage)
        for what, of in (("containers", 6), ("files", None)):
            seen = [tuple(int(n.replace(",", "")) for n in pair)
                    for pair in re.findall(r"([\d,]+)/([\d,]+) " + what, shown)]
            check(len(set(seen)) > 2, f"{what}: only {set(seen)} is shown")
            check(all(done <= every for done, every in seen), f"{what}: more are done than there are: {seen}")
            check(seen == sorted(seen, key=lambda pair: pair[0]), f"{what}: it goes back: {seen}")
            check(of is None or seen[-1][1] == of, f"{what}: there are {of}, not {seen[-1][1]}")
    return shown.split("\r")[-3].strip().removeprefix("\x1b[K")


@scenario
def work_of_root(options):
    """root syncs and rebuilds the index of a service that has a user of its own: the user can open all that was made"""
    user = 65534

    def check_owner(stage):
        for folder, _, names in os.walk(stage.root):
            for name in [folder, *(os.path.join(folder, n) for n in names)]:
                check(os.stat(name).st_uid == user, f"{name} is not the service's")

    with small(options, "byroot") as w:
        os.makedirs(w.stage.root, 0o750, exist_ok=True)
        os.chown(w.stage.root, user, user)
        w.stage.sync(expect=0)
        check_owner(w.stage)
        for name in ("index.db", "index.db-wal", "index.db-shm", ".lock"):
            path = os.path.join(w.stage.root, name)
            if os.path.exists(path):
                os.unlink(path)
        out = w.stage.run("index", "rebuild")
        check(out.exit == 0, f"rebuild: {out.told()}")
        w.sim.change(options.seed, 30)
        w.stage.sync(expect=0)
        check_owner(w.stage)
        compare(w.stage)
    return ""


LINKS = (("stream", "cursor"), ("stream", "spare_cursor"), ("stream", "older_cursor"), ("column_feed", "cursor"),
         ("walk", "link"), ("setting", "value"))


@scenario
def endpoint_changed(options):
    """links of another Graph endpoint are not asked: the streams begin anew, nothing is fetched again or removed"""
    kinds = ["onedrive", "sharepoint", "mail", "calendar", "contacts", "tasks"]
    with World(options, "endpoint", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 1) as w:
        w.stage.configure(kinds=kinds)
        w.stage.sync(expect=(0, 1))
        w.stage.sync(expect=(0, 1))
        before = w.stage.snapshot()
        here, there = w.sim.facts["graph"], w.sim.facts["graph"].replace("localhost", "127.0.0.1")
        changed = sum(w.stage.write(f"UPDATE {table} SET {column}=replace({column}, ?, ?) WHERE {column} LIKE ?",
                                    here, there, here + "%") for table, column in LINKS)
        check(changed > 20, f"only {changed} links are stored")
        w.sim.forget_requests()
        w.stage.sync(expect=(0, 1))
        log = w.sim.get("log?limit=2000")["log"]
        refused = [line["request"] for line in log if line["status"] == 401]
        check(not refused, f"without a token, so links of the endpoint before: {refused[:5]}")
        check(not w.sim.downloads(), f"fetched again: {w.sim.downloads()}")
        check(not w.stage.has_moved(before), "the tree was touched")
        errors = w.stage.rows("SELECT key, error_text FROM container WHERE error_kind IS NOT NULL AND state='active'")
        check(not errors, f"{[tuple(e) for e in errors]}")
        left = sum(w.stage.rows(f"SELECT count(*) FROM {table} WHERE {column} LIKE ?", there + "%")[0][0]
                   for table, column in LINKS)
        check(left == 0, f"{left} links of the endpoint before are left")
        check_manners(w.sim)
        return f"{changed} links replaced"


@scenario
def cursor_leads_nowhere(options):
    """a stored link whose page has no link behind it: an older one is taken up, nothing is fetched again"""
    with small(options, "nowhere") as w:
        w.stage.sync(expect=0)
        w.stage.sync(expect=0)
        links = w.stage.write("UPDATE stream SET cursor=?", w.sim.facts["graph"] + "/v1.0/users?$select=id")
        w.sim.forget_requests()
        w.stage.sync(expect=0)
        check(not w.sim.downloads(), f"fetched again: {w.sim.downloads()}")
        left = w.stage.rows("SELECT count(*) FROM stream WHERE cursor LIKE '%/users?%'")[0][0]
        check(left == 0, f"{left} of {links} links lead nowhere still")
        w.sim.change(options.seed, 20)
        w.stage.sync(expect=0)
        compare(w.stage, quiet=True)
        check_manners(w.sim)
