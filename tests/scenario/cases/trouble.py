"""What goes wrong around a running service: it stays up, says so everywhere, and goes on by itself."""

import contextlib
import os
import random
import re
import socket
import sqlite3
import threading
import time

from cases import scenario
from cases.disk import Mount
from harness import Simulator, World, check, check_index, compare, kill
from running import ask, before, free_port, hook, metric, readiness, serving, wait_until


class Trouble:
    """A service that is well before; `begin` is called when the cause is there, `end` when it is gone."""

    def __init__(self, stage, service, kinds, exit_code):
        self.stage, self.service, self.kinds, self.exit_code = stage, service, kinds, exit_code
        wait_until(lambda: readiness(stage)[0] == 200, "the first pass", longest=60)

    def is_told(self):
        status, kinds = readiness(self.stage)
        return status == 503 and any(k in self.kinds for k in kinds)

    def begin(self):
        told = before(self.stage, "1", expect=self.exit_code).told()
        wait_until(self.is_told, f"/readyz says {self.kinds}", longest=120)
        check(ask(self.stage, "GET", "/healthz").status == 200, "it is not alive")
        check(metric(self.stage, "m365stage_ready") == 0, "the metrics say that it is ready")
        return told

    def end(self):
        wait_until(lambda: readiness(self.stage)[0] == 200, "it goes on by itself", longest=120)
        check(self.service.process.poll() is None, "the service ended")
        before(self.stage, "2")
        hook(self.stage, "after-job", "--jobid", "2", "--status", "OK")
        wait_until(lambda: metric(self.stage, "m365stage_pass_running") == 0, "no pass runs")
        self.service.stop()
        compare(self.stage)


@scenario
def disk_trouble(options):
    """the disk under a running service fills up; another time it is read-only; it goes on when that is over"""
    told = []
    with serving(options, "servefull", "--users", 1, "--sites", 0, "--specials", 0) as (w, service):
        service.stop()
        with Mount(os.path.join(w.folder, "small"), "40m") as disk:
            w.stage.root = os.path.join(disk.folder, "stage")
            os.makedirs(w.stage.root, 0o700)
            w.stage.configure(stage={"root": w.stage.root})
            try:
                service.start()
                trouble = Trouble(w.stage, service, ("disk",), 5)
                ballast = os.path.join(disk.folder, "ballast")
                with open(ballast, "wb", buffering=0) as f, contextlib.suppress(OSError):
                    while True:  # unbuffered: nothing is left that close() would fail to write
                        f.write(bytes(65536))
                w.sim.change(options.seed, 40)
                told.append(trouble.begin())
                os.unlink(ballast)
                wait_until(lambda: readiness(w.stage)[0] == 200, "there is room again", longest=60)
                service.stop()  # no file may be open for that
                disk.remount("ro")
                service.start()
                wait_until(trouble.is_told, "a read-only disk is told")
                told.append(before(w.stage, "1", expect=5).told())
                disk.remount("rw")
                trouble.end()
            finally:
                if service.process.poll() is None:
                    kill(service.process)
    return "\n      ".join(told)


@scenario
def index_trouble(options):
    """index.db is locked by another program, then damaged under the service and rebuilt beside it"""
    told = []
    with serving(options, "serveindex", "--users", 1, "--sites", 0, "--specials", 0) as (w, service):
        stage = w.stage
        path = os.path.join(stage.root, "index.db")
        trouble = Trouble(stage, service, ("index",), 5)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            told.append(trouble.begin())
            check("locks" in told[-1] or "locked" in told[-1], f"it is not told what is wrong: {told[-1]}")
            other.execute("ROLLBACK")
        wait_until(lambda: readiness(stage)[0] == 200, "the lock is gone", longest=60)
        w.sim.change(options.seed, 20)
        with contextlib.closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE pass SET generation=generation WHERE id=1")
            other.commit()  # so that nobody's cached pages are good any more
            for name in (path, path + "-wal"):
                with open(name, "r+b") as f:
                    f.write(random.Random(options.seed).randbytes(os.path.getsize(name)))
        told.append(trouble.begin())
        check("index rebuild" in told[-1] or "rebuild" in service.log(), f"the way out is not told: {told[-1]}")

        def rebuilt():
            for tail in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path + tail)
            return stage.run("index", "rebuild").exit == 0

        wait_until(rebuilt, "the index is rebuilt between two tries of the service", longest=60)
        trouble.end()
    return "\n      ".join(told)


@scenario
def microsoft_trouble(options):
    """the sign-in is refused and works again; Microsoft 365 dies and comes back with nothing it knew before"""
    told = []
    ports = ("--port", free_port(), "--files-port", free_port())
    with serving(options, "servenet", "--users", 1, "--sites", 0, "--specials", 0, *ports) as (w, service):
        trouble = Trouble(w.stage, service, ("auth_refused",), 3)
        w.sim.post("auth", refuse=7000222, expire_all=True)
        told.append(trouble.begin())
        check(metric(w.stage, "m365stage_authenticated") == 0, "the metrics say that it is signed in")
        w.sim.post("auth", refuse=0)
        wait_until(lambda: readiness(w.stage)[0] == 200, "the sign-in works again", longest=60)
        check(metric(w.stage, "m365stage_authenticated") == 1, "the metrics say that it is signed out")
        trouble.kinds, trouble.exit_code = ("transport", "timeout"), 4
        kill(w.sim.process)
        told.append(trouble.begin())
        w.sim = Simulator(options.simulator, w.folder, *w.arguments)
        w.stage.sim = w.sim
        trouble.end()
    return "\n      ".join(told)


DENIED = {"status": 403, "code": "accessDenied", "count": -1}


@scenario
def permission_lost(options):
    """the permission for a kind is lost: exit 3 everywhere, the other kinds still come; single drives end no pass"""
    with serving(options, "denied", "--users", 2, "--sites", 0, "--groups", 0, "--specials", 0,
                 kinds=["onedrive", "mail"], sync={"interval": "1h"}) as (w, service):
        stage = w.stage
        wait_until(lambda: readiness(stage)[0] == 200, "the first pass", longest=60)

        def messages():
            return sum('"type": "message"' in line for line in stage.run("--json", "ls").stdout.splitlines())

        known = messages()
        check(known > 0, "no message is staged")
        w.sim.fault("error", path="root/delta", **DENIED)
        w.sim.post("exchange/op", op="new_message", mailbox="ada@contoso.example", folder="inbox", size=1000, seed=5)
        told = before(stage, "1", expect=3).told()
        check("accessDenied: all 2 containers of onedrive refused" in told, told)
        check("m365stage check" in told, told)
        check(messages() == known + 1, "the other kinds were not brought up to date")
        check(readiness(stage) == (503, ["forbidden"]), f"readiness: {readiness(stage)}")
        check(metric(stage, "m365stage_ready") == 0, "the metrics say that it is ready")
        check(metric(stage, "m365stage_authenticated") == 1, "the sign-in worked")
        for more in (("--on-owed", "fail"), ("--max-age", "1h")):
            before(stage, "2", *more, expect=3)
        out = stage.run("sync")
        check(out.exit == 3 and "onedrive" in out.stderr.splitlines()[-1], f"sync: {out.exit}, {out.told()}")
        check(stage.run("sync", "--only", "users/*/mail").exit == 0, "a part that may be read")
        check(readiness(stage) == (503, ["forbidden"]), f"a part proves nothing: {readiness(stage)}")
        w.sim.clear_faults()
        before(stage, "3")
        check(readiness(stage) == (200, []), f"it is not well again: {readiness(stage)}")
        hook(stage, "after-job", "--jobid", "3", "--status", "OK")

        drive = next(d for d in w.sim.get("tenant")["drives"] if not d["locked"] and not d["system"])["id"]
        w.sim.fault("error", path=f"{drive}/root/delta", **DENIED)
        single = before(stage, "4").told()
        check(re.search("but 1 of [0-9]+ containers are not up to date, the oldest since 20", single), single)
        check("up to date as of" not in single, f"it calls that up to date: {single}")
        hook(stage, "after-job", "--jobid", "4", "--status", "OK")
        refused = before(stage, "5", "--on-owed", "fail", expect=1).told()
        check("1 containers are not up to date" in refused, refused)
        key = stage.rows("SELECT key FROM container WHERE error_kind='forbidden'")[0][0]
        for only in ((), ("--only", key)):
            out = stage.run("sync", *only)
            check(out.exit == 1 and key in out.stderr and "m365stage status" in out.stdout, out.told())
        check(readiness(stage)[0] == 200, f"a drive that may not be read: {readiness(stage)}")
        w.sim.clear_faults()
        before(stage, "6", "--on-owed", "fail")
        hook(stage, "after-job", "--jobid", "6", "--status", "OK")
        service.stop()
        check_index(stage)
    return "\n      ".join((told, single, refused))


@scenario
def permission_refused_as_401(options):
    """a permission whose loss is told as 401: no part of all takes it back, and the next pass is no sooner"""
    with serving(options, "denied-401", "--users", 2, "--sites", 0, "--groups", 0, "--specials", 0,
                 "--files-per-drive", 5, "--messages-per-mailbox", 3, kinds=["onedrive", "mail"],
                 sync={"interval": "1h"}) as (w, service):
        stage = w.stage
        wait_until(lambda: readiness(stage)[0] == 200, "the first pass", longest=60)
        w.sim.fault("error", path="root/delta", status=401, code="unauthenticated", count=-1)
        check(stage.run("sync").exit == 3, "nothing of a kind may be read, and that is no failure")
        check(readiness(stage) == (503, ["unauthorized"]), f"readiness: {readiness(stage)}")
        check(stage.run("sync", "--only", "users/*/mail").exit == 0, "a part that may be read")
        check(readiness(stage) == (503, ["unauthorized"]), f"a part proves nothing: {readiness(stage)}")
        before(stage, "1", "--max-age", "1h", expect=3)
        told = re.findall("next try in (.*)", service.log())
        check(told and all(re.fullmatch("1 h 0 min|5[0-9] min.*", t) for t in told), f"all is read again in {told}")
        w.sim.clear_faults()
        before(stage, "2")
        check(readiness(stage) == (200, []), f"it is not well again: {readiness(stage)}")
    return f"next try in {told[0]}"


@scenario
def permission_never_granted(options):
    """a kind whose permission was never granted: the first pass ends with 3 and has all of the others"""
    with World(options, "ungranted", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--specials", 0) as w:
        w.stage.configure(kinds=["onedrive", "mail"])
        w.sim.fault("error", path="/mailFolders|/mailboxSettings", status=403, code="ErrorAccessDenied", count=-1)
        out = w.stage.sync(expect=3)
        told = out.stderr.splitlines()[-1]
        check("ErrorAccessDenied: mail of all 2 owners refused" in told, told)
        staged = w.stage.rows("SELECT count(*) FROM item WHERE type=1 AND sha256 IS NOT NULL")[0][0]
        wanted = sum(item["type"] == "file" for item in w.sim.expected())
        check(staged == wanted, f"{staged} files are staged, not {wanted}")
        w.sim.clear_faults()
        w.stage.sync(expect=0)
    return told


@scenario
def no_room(options):
    """a file that does not fit on the disk, and a disk that is nearly full: /readyz, hook and check say the same"""
    told = []
    with serving(options, "noroom", "--users", 1, "--sites", 0, "--specials", 0,
                 sync={"interval": "1h"}) as (w, service):
        stage = w.stage
        service.stop()
        with Mount(os.path.join(w.folder, "small"), "64m") as disk:
            stage.root = os.path.join(disk.folder, "stage")
            os.makedirs(stage.root, 0o700)
            stage.configure(stage={"root": stage.root})
            service.start()
            try:
                before(stage, "1")
                hook(stage, "after-job", "--jobid", "1", "--status", "OK")
                huge = w.sim.op("create", user="ada@contoso.example", path="huge.bin", type="file", size=90 << 20,
                                seed=5)
                told.append(before(stage, "2", expect=5).told())
                check(readiness(stage) == (503, ["disk"]), f"an item does not fit: {readiness(stage)}")
                before(stage, "2", "--max-age", "1h", expect=5)
                service.stop()
                service.start()
                check(readiness(stage) == (503, ["disk"]), f"forgotten by a restart: {readiness(stage)}")
                w.sim.op("delete", user="ada@contoso.example", id=huge["id"])
                before(stage, "3")
                check(readiness(stage) == (200, []), f"it is gone: {readiness(stage)}")
                ballast = os.path.join(disk.folder, "ballast")
                with open(ballast, "wb") as f:
                    s = os.statvfs(disk.folder)
                    os.posix_fallocate(f.fileno(), 0, s.f_bavail * s.f_frsize - (8 << 20))
                # It shares the lease of job 3.
                told.append(before(stage, "4", expect=5).told())
                check(readiness(stage) == (503, ["disk"]), f"the disk is nearly full: {readiness(stage)}")
                out = stage.run("check")
                check(out.exit == 5 and "FAIL  disk" in out.stdout, f"check: {out.told()}")
                os.unlink(ballast)
                wait_until(lambda: readiness(stage)[0] == 200, "there is room again", longest=10)
                before(stage, "5")
            finally:
                if service.process.poll() is None:
                    kill(service.process)
    return "\n      ".join(told)


@scenario
def abused(options):
    """garbage, silence and wrong tokens at the port during a first sync: it is served, the log stays short"""
    with serving(options, "abused", "--users", 2, "--sites", 1, "--files-per-drive", 100, token="x" * 32) as (w, service):
        port = service.port
        dice = random.Random(options.seed)
        silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for _ in range(1000):
            with socket.create_connection(("127.0.0.1", port)) as s, contextlib.suppress(OSError):
                s.sendall(dice.randbytes(dice.randrange(1, 400)) + b"\r\n\r\n")
        for _ in range(1000):
            answer = ask(w.stage, "GET", "/api/v1/status", headers={"Authorization": "Bearer wrong"}, port=port)
            check(answer.status == 401, f"a wrong token is answered with {answer.status}")
        check(ask(w.stage, "GET", "/healthz", port=port).status == 200, "it does not answer any more")
        for s in silent:
            s.close()
        left_out = metric(w.stage, "m365stage_log_lines_left_out_total")
        lines = service.log().count("wrong token")
        check(lines < 300 and left_out >= 1000 - lines, f"{lines} lines of 1,000 in the log, {left_out} left out")
        wait_until(lambda: "lines like the ones before were left out" in service.log(), "the rest is counted")
        wait_until(lambda: readiness(w.stage)[0] == 200, "the first pass ends", longest=120)
        service.stop()
        compare(w.stage)
    return f"{lines} lines written, {left_out:.0f} counted"


@scenario
def polled(options):
    """10,000 requests to /healthz and /metrics during a first sync are all answered"""
    with serving(options, "polled", "--users", 3, "--sites", 1, "--files-per-drive", 250, "--specials", 0) as (w, service):
        times, wrong = [], []

        def poll(many):
            with contextlib.closing(Keeping(w.stage)) as client:
                for i in range(many):
                    began = time.monotonic()
                    status = client.get("/metrics" if i % 2 else "/healthz")
                    times.append(time.monotonic() - began)
                    if status != 200:
                        wrong.append(status)

        began = time.monotonic()
        pollers = [threading.Thread(target=poll, args=(2500,)) for _ in range(4)]
        for p in pollers:
            p.start()
        for p in pollers:
            p.join()
        seconds = time.monotonic() - began
        check(not wrong and len(times) == 10000, f"{len(times)} answers, {len(wrong)} of them wrong: {wrong[:5]}")
        wait_until(lambda: readiness(w.stage)[0] == 200, "the first pass ends", longest=120)
        row = w.stage.rows("SELECT json_extract(numbers, '$.seconds') AS took FROM pass ORDER BY id LIMIT 1")[0]
        service.stop()
        times.sort()
    return (f"{seconds:.1f} s beside a first pass of {row['took']:.1f} s; half within {times[5000] * 1000:.1f} ms, "
            f"99 % within {times[9900] * 1000:.1f} ms, all within {times[-1] * 1000:.1f} ms")


class Keeping:
    """A connection that is kept."""

    def __init__(self, stage):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(stage.settings["api"]["socket"])
        self.rest = b""

    def get(self, target):
        self.socket.sendall(b"GET " + target.encode() + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        while b"\r\n\r\n" not in self.rest:
            self.read()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(self.rest) < length:
            self.read()
        self.rest = self.rest[length:]
        return int(head.split(b" ")[1])

    def read(self):
        got = self.socket.recv(65536)
        check(got, "the connection ended")
        self.rest += got

    def close(self):
        self.socket.close()
