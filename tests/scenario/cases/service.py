"""The running service: leases and the hook for Bareos jobs, stops, a second one, the notify protocol."""

import contextlib
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time

from cases import scenario
from harness import check, compare, kill
from running import ask, before, free_port, hook, metric, passes, readiness, serving, wait_for_passes, wait_until, write_secret


@scenario
def lease(options):
    """two jobs hold the tree still while everything changes, also over kill -9; then it is up to date"""
    with serving(options, "lease", "--users", 2, "--sites", 1, "--files-per-drive", 60) as (w, service):
        stage = w.stage
        told = before(stage, "7").stdout
        check("generation 1" in told and "coverage" in told, f"nothing of the tree: {told}")
        check(before(stage, "7").stdout == told, "the same job is told something else")
        quick = before(stage, "8", "--max-age", "1h")
        still = stage.snapshot()
        w.sim.change(options.seed, 80)
        wait_for_passes(stage)
        check(stage.rows("SELECT 1 FROM pending WHERE state=1 AND spool IS NOT NULL LIMIT 1"), "nothing was fetched")
        told = stage.run("sync").stdout
        check("nothing changed" not in told and "job 7" in told and "wait in the spool" in told, f"sync during a lease: {told}")
        refused = stage.run("verify")
        check(refused.exit == 7 and f"verify --tree {stage.root}/tree" in refused.stderr, f"verify: {refused.stderr}")
        check(stage.run("verify", "--tree", stage.root + "/tree").exit == 0, "the advice of verify does not work")
        check(stage.snapshot() == still, "the tree moved under a lease")
        kill(service.process)
        service.start()
        wait_for_passes(stage)
        check(stage.snapshot() == still, "the tree moved under a lease after kill -9")
        hook(stage, "after-job", "--jobid", "7", "--status", "OK")
        wait_for_passes(stage)
        check(stage.snapshot() == still, "the tree moved under the second lease")
        hook(stage, "after-job", "--jobid", "8", "--status", "OK")
        hook(stage, "after-job", "--jobid", "8", "--status", "OK")
        wait_until(lambda: stage.has_moved(still), "what came is applied")
        stage.sync(expect=(0, 1))
        hook(stage, "job-ended", "--jobid", "8", "--status", "OK")
        hook(stage, "job-ended", "--jobid", "99", "--status", "OK")
        listed = json.loads(stage.run("--json", "jobs").stdout)
        check([j["saved"] for j in listed] == [True, False], f"jobs: {listed}")
        path = stage.rows("SELECT new_path FROM change WHERE generation=1 AND what=1 AND type=1")[0][0]
        first = json.loads(stage.run("--json", "history", path).stdout)[0]
        check(first["job"] and first["job"]["job_id"] == "8", f"history of {path}: {first}")
        job = stage.rows("SELECT * FROM job WHERE job_id='8'")[0]
        check((job["generation"], job["read_status"], job["status"]) == (1, "OK", "OK"), f"job 8: {dict(job)}")
        seconds = service.stop()
        compare(stage, quiet=True)
    return f"a job with a fresh tree waited {quick.seconds * 1000:.0f} ms; SIGTERM took {seconds:.1f} s"


@scenario
def lease_lasts(options):
    """a lease lasts for lease.max_duration; a script that runs twice has it at once; a stop tells who waits; any line ends it"""
    with serving(options, "leaselasts", "--users", 1, "--sites", 0, "--specials", 0, sync={"interval": "1h"},
                 lease={"max_duration": "72h"}) as (w, service):
        stage = w.stage
        before(stage, "1")
        row = stage.rows("SELECT since, until FROM lease")[0]
        check(row["until"] - row["since"] == 72 * 3600, f"it ends after {row['until'] - row['since']} s")
        wait_until(lambda: time.time() > row["since"] + 2, "the tree is older than the jobs want it")
        before(stage, "1", "--max-age", "1s", "--timeout", "5s")
        command = [stage.binary, "--config", stage.config_file, "hook", "before-job", "--job", "nightly", "--jobid", "2",
                   "--max-age", "1s"]
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        wait_until(lambda: "lease for job 2" in service.log(), "the script of job 2 waits")
        service.stop()
        told, _ = waiting.communicate(timeout=60)
        check(waiting.returncode != 0 and "stopping" in told, f"{waiting.returncode}: {told}")
        service.start()
        with open(stage.config_file, "a", encoding="utf-8") as config:
            config.write("\tmistaken: [\n")
        hook(stage, "after-job", "--job", "nightly", "--jobid", "1", "--level", "Full", "--timeout", "10m", "--status", "OK")
        stage.configure()
        check("nobody" in stage.run("lease", "list").stdout, "the lease is still there")
    return told.strip()


@scenario
def lease_of_ended_job(options):
    """the Director's word ends a lease that nobody else ends, and a job that ended while its script waited gets none"""
    with serving(options, "endedjob", "--users", 1, "--sites", 0) as (w, service):
        stage = w.stage
        before(stage, "1")
        hook(stage, "job-ended", "--jobid", "1", "--status", "Fatal Error")
        check("nobody" in stage.run("lease", "list").stdout, "the lease of a job whose file daemon died is still there")
        w.sim.fault("delay", service="graph", delay_ms=2000, count=-1)
        command = [stage.binary, "--config", stage.config_file, "hook", "before-job", "--job", "nightly", "--jobid", "2"]
        waiting = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        wait_until(lambda: "lease for job 2" in service.log(), "the script of job 2 waits")
        check(waiting.poll() is None, "it did not wait")
        hook(stage, "job-ended", "--jobid", "2", "--status", "Canceled")
        w.sim.clear_faults()
        told, _ = waiting.communicate(timeout=120)
        check(waiting.returncode == 7 and "has ended meanwhile" in told, f"{waiting.returncode}: {told}")
        check("nobody" in stage.run("lease", "list").stdout, "a cancelled job holds the tree")
        return told.strip()


@scenario
def lease_ends(options):
    """a lease that nobody ends expires, and one is ended by hand; the jobs do not count as whole"""
    with serving(options, "leaseends", "--users", 1, "--sites", 0, lease={"max_duration": "2s"}) as (w, _):
        stage = w.stage
        before(stage, "1")
        until = stage.rows("SELECT until FROM lease")[0][0]
        still = stage.snapshot()
        w.sim.change(options.seed, 30)
        moved_at = [0]

        def has_moved():
            moved_at[0] = time.time()  # at the latest: the snapshot comes after it
            return stage.has_moved(still)

        wait_until(has_moved, "the tree moves after the lease's time")
        check(time.time() >= until, f"the tree moved {until - moved_at[0]:.1f} s before the lease's end")
        out = hook(stage, "after-job", "--jobid", "1", "--status", "OK", expect=1)
        check("expired" in out.told(), f"the job is not told: {out.told()}")
        before(stage, "2")
        check("nightly" in stage.run("lease", "list").stdout, "the lease is not listed")
        check(stage.run("lease", "end", "2").exit == 0, "it can't be ended by hand")
        check(stage.run("lease", "end", "2").exit != 0, "a lease that is gone can be ended")
        told = [row["read_status"] for row in stage.rows("SELECT read_status FROM job ORDER BY id")]
        check(told == ["lease expired", "lease ended by hand"], f"the jobs say {told}")


@scenario
def words_kept(options):
    """what a hook says while the index can't be written is kept: the lease ends when it can, and nobody shares it before"""
    with serving(options, "wordskept", "--users", 1, "--sites", 0, "--specials", 0) as (w, service):
        stage = w.stage

        def index(statement):
            with contextlib.closing(sqlite3.connect(os.path.join(stage.root, "index.db"), isolation_level=None)) as db:
                db.execute(statement)

        def says(what, job, **more):
            out = hook(stage, what, "--jobid", job, "--status", "OK", **more)
            check(not more or "kept in mind" in out.told(), f"it is not told what becomes of it: {out.told()}")
            return out.told()

        def nobody():
            return "nobody" in stage.run("lease", "list").stdout

        before(stage, "1")
        before(stage, "2", "--max-age", "1h")
        index("CREATE TRIGGER broken BEFORE DELETE ON lease BEGIN SELECT RAISE(ABORT, 'the index is broken'); END")
        told = says("after-job", "1", expect=5)
        says("job-ended", "1", expect=5)
        out = stage.run("lease", "end", "2")
        check(out.exit == 5 and "kept in mind" in out.told(), f"lease end: {out.told()}")
        before(stage, "3", "--max-age", "1h", expect=5)
        index("DROP TRIGGER broken")
        before(stage, "3", "--max-age", "1h")
        listed = [row["job_id"] for row in stage.rows("SELECT job_id FROM lease")]
        check(listed == ["3"], f"job 3 shares the tree with {listed}")
        states = {row["job_id"]: (row["read_status"], row["status"]) for row in stage.rows("SELECT * FROM job")}
        check(states == {"1": ("OK", "OK"), "2": ("lease ended by hand", None), "3": (None, None)}, f"the jobs: {states}")
        # Nobody comes: it is written all the same.
        index("CREATE TRIGGER broken BEFORE DELETE ON lease BEGIN SELECT RAISE(ABORT, 'the index is broken'); END")
        says("after-job", "3", expect=5)
        check(not nobody(), "the lease has ended")
        index("DROP TRIGGER broken")
        wait_until(nobody, "the lease ends when that is written")
        # The index fails a pass, so that the service gives it up for a while; the job ends meanwhile.
        before(stage, "4")
        with contextlib.closing(sqlite3.connect(os.path.join(stage.root, "index.db"), isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            wait_until(lambda: readiness(stage)[0] == 503, "the index is locked", longest=60)
            says("after-job", "4", expect=5)
            db.execute("ROLLBACK")
        wait_until(nobody, "the lease ends when the index is back")
        # What can't be kept is told.
        wait_until(lambda: readiness(stage)[0] == 200, "all is well", longest=60)
        before(stage, "5")
        index("CREATE TRIGGER broken BEFORE DELETE ON lease BEGIN SELECT RAISE(ABORT, 'the index is broken'); END")
        says("after-job", "5", expect=5)
        service.stop()
        check("not written" in service.log() and "job 5 has read" in service.log(), service.log()[-500:])
        return told


@scenario
def pauses_after_lease(options):
    """what a lease kept back is no reason to hurry after a failure: the pauses grow until the cause is gone"""
    with serving(options, "pauses", "--users", 1, "--sites", 0, "--specials", 0, sync={"interval": "1h"}) as (w, _):
        stage = w.stage
        failures = "SELECT started_at, finished_at FROM pass WHERE outcome='failed' ORDER BY id"
        good = ("SELECT started_at FROM pass WHERE outcome IN ('complete', 'degraded') AND "
                "id>(SELECT max(id) FROM pass WHERE outcome='failed')")
        before(stage, "1")
        still = stage.snapshot()
        w.sim.change(options.seed, 20)
        told = stage.run("sync").stdout
        check("wait in the spool" in told, f"nothing was kept back: {told}")
        w.sim.post("auth", refuse=7000222, expire_all=True)
        stage.sync(expect=3)
        # The lease ends, and the tree could move: that is tried when the pause of the failure is over.
        hook(stage, "after-job", "--jobid", "1", "--status", "OK")
        wait_until(lambda: len(stage.rows(failures)) > 1, "the next try fails")
        # That one failed while no lease was held any more.
        w.sim.post("auth", refuse=0)
        wait_until(lambda: stage.rows(good), "a pass gets through")
        first, *more = stage.rows(failures)
        check(len(more) == 1, f"{len(more) + 1} passes failed")
        check(stage.has_moved(still), "what the lease kept back was not applied")
        pauses = [more[0]["started_at"] - first["finished_at"],
                  stage.rows(good)[0]["started_at"] - more[0]["finished_at"]]
        # 5 s and 10 s, known to the second.
        check(pauses[0] >= 4 and pauses[1] >= 9, f"the pauses were {pauses} s")
    return f"pauses of {pauses[0]} s and {pauses[1]} s"


@scenario
def refusals(options):
    """the hook refuses with one line and the right exit code, and gives the lease when the cause is gone"""
    told = []
    with serving(options, "refusals", "--users", 1, "--sites", 0) as (w, service):
        stage = w.stage
        told.append(before(stage, "1", "--on-owed", "fail", expect=1).told())
        w.sim.post("auth", refuse=7000222, expire_all=True)
        told.append(before(stage, "2", expect=3).told())
        # However fresh the tree is: what /readyz refuses for, the hook refuses for.
        check(readiness(stage) == (503, ["auth_refused"]), f"readiness: {readiness(stage)}")
        before(stage, "3", "--max-age", "1h", expect=3)
        w.sim.post("auth", refuse=0)
        good = "SELECT count(*) FROM pass WHERE outcome IN ('complete', 'degraded')"
        seen = stage.rows(good)[0][0]
        wait_until(lambda: stage.rows(good)[0][0] > seen, "the service signs in again by itself")
        before(stage, "4")
        told.append(before(stage, "5", "--max-age", "0s").told().splitlines()[0])
        for job in ("4", "5"):
            hook(stage, "after-job", "--jobid", job, "--status", "OK")
        service.stop()
        told.append(before(stage, "6", expect=5).told())
        check("does not run" in told[-1], told[-1])
        out = stage.run("lease", "end", "6")
        check(out.exit == 5 and "does not run" in out.stderr and "alone ends leases" in out.stderr, out.told())
        for command in (("jobs", "--limit", "0"), ("jobs", "--limit", "x"), ("changes", "--since", "-1")):
            out = stage.run(*command)
            check(out.exit == 2 and "a whole number" in out.stderr and len(out.stderr) < 200, f"{command}: {out.told()}")
    return "\n      ".join(told)


@scenario
def service_alone(options):
    """a second service is refused and names the first; sync goes through the service; SIGHUP and sd_notify"""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        path = f"/tmp/m365-notify-{os.getpid()}"
        listening.bind(path)
        listening.settimeout(20)
        environment = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"}
        try:
            with serving(options, "alone", "--users", 1, "--sites", 0, environment=environment) as (w, service):
                expect_words(listening, "READY=1", "WATCHDOG=1")
                expect_line(listening, r"STATUS=(complete|degraded) pass, generation 1$")
                second = w.stage.run("serve")
                check(second.exit == 7 and str(service.process.pid) in second.told(), second.told())
                out = w.stage.sync(expect=(0, 1))
                check(out.summary["items"] > 0, f"no summary: {out.told()}")
                w.stage.configure(sync={"interval": "1h"}, stage={"file_mode": "0640"})
                service.process.send_signal(signal.SIGHUP)
                expect_words(listening, "RELOADING=1", "READY=1")
                check(re.search("after a restart: stage.file_mode", service.log()), service.log()[-1000:])
                seconds = service.stop()
                expect_words(listening, "STOPPING=1")
        finally:
            os.unlink(path)
    check(seconds < 10, f"SIGTERM took {seconds:.1f} s")


def expect_line(listening, pattern):
    while not any(re.match(pattern, line) for line in listening.recv(4096).decode().splitlines()):
        pass


def expect_words(listening, *words):
    for word in words:
        while word not in listening.recv(4096).decode().splitlines():
            pass


@scenario
def hook_answers(options):
    """exit codes 1, 2, 6 and 7 of the hook with their real causes; each job gets its tree once the cause is gone"""
    told = {}
    with serving(options, "hook", "--users", 2, "--sites", 0, "--files-per-drive", 30, sync={"interval": "1h"},
                 guard={"max_deleted_share": 0.2, "min_deleted_items": 5}) as (w, service):
        stage = w.stage
        before(stage, "1")
        hook(stage, "after-job", "--jobid", "1", "--status", "OK")
        times = []
        for job in range(2, 7):
            times.append(before(stage, str(job), "--max-age", "1h").seconds)
            hook(stage, "after-job", "--jobid", str(job), "--status", "OK")
        told[1] = before(stage, "10", "--on-owed", "fail", "--max-age", "1h", expect=1).told()
        out = stage.run("hook", "before-job", "--job", "nightly", "--jobid", "11", "--max-age", "soon")
        told[2] = out.told()
        check(out.exit == 2 and len(told[2].splitlines()) == 1, f"a wrong option: {out.exit}, {told[2]}")
        hook(stage, "before-job", "--job", "two\nlines", "--jobid", "11", expect=2)
        w.sim.fault("delay", path="/v1.0/users", delay_ms=4000, count=-1)
        told[7] = before(stage, "12", "--timeout", "2s", expect=7).told()
        w.sim.clear_faults()
        drive = next(d for d in w.sim.get("tenant")["drives"] if not d["locked"] and not d["system"])["id"]
        for item in w.sim.expected():
            if item["drive"] == drive and len(item["names"]) == 1:
                w.sim.op("delete", drive=drive, id=item["id"])
        told[6] = before(stage, "13", "--timeout", "2m", expect=6).told()
        check("guard list" in told[6], f"the way out is not told: {told[6]}")
        service.stop()
        service.start()
        status, kinds = readiness(stage)
        check(status == 503 and "guard" in kinds, f"after a restart the guard is forgotten: {status}, {kinds}")
        held = json.loads(stage.run("--json", "guard", "list").stdout.splitlines()[0])
        held = held if isinstance(held, list) else [held]
        for h in held:
            above = os.path.dirname(h["container"]) + "/"  # selects what lies below, as in any command
            check(stage.run("guard", "approve", above).exit == 0, f"it can't be approved as {above}")
        before(stage, "14")
        hook(stage, "after-job", "--jobid", "14", "--status", "OK")
    return "\n      ".join(f"{code}: {line}" for code, line in sorted(told.items())) + (
        f"\n      with a fresh tree: {min(times) * 1000:.0f} to {max(times) * 1000:.0f} ms")


@scenario
def reload(options):
    """SIGHUP: each key that can change while it runs has its effect; what needs a restart is named"""
    with serving(options, "reload", "--users", 3, "--sites", 0, "--specials", 0, sync={"interval": "1h"},
                 token="a" * 32) as (w, service):
        stage = w.stage

        def status_with(text):
            return ask(stage, "GET", "/api/v1/leases", headers={"Authorization": "Bearer " + text},
                       port=service.port).status

        def change(**changes):
            """SIGHUP, and wait until it is told."""
            stage.configure(**changes)
            heard = service.log().count("configuration was read again")
            service.process.send_signal(signal.SIGHUP)
            wait_until(lambda: service.log().count("configuration was read again") > heard, f"{changes} are read")

        def is_ready(answer):
            wait_until(lambda: readiness(stage)[0] == answer, f"/readyz says {answer}", longest=60)

        def containers():
            return {row[0] for row in stage.rows("SELECT key FROM container WHERE state='active'")}

        is_ready(200)
        # What needs a restart, and what is no configuration at all.
        change(stage={"dir_mode": "0750"}, api={"socket": stage.settings["api"]["socket"] + "2"})
        check("after a restart: stage.dir_mode, api" in service.log(), service.log()[-500:])
        stage.configure(stage={"dir_mode": "0700"}, api={"socket": stage.settings["api"]["socket"][:-1]})
        with open(stage.config_file, "a", encoding="utf-8") as f:
            f.write("nonsense: 1\n")
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "stays as it was" in service.log(), "a bad configuration is refused")
        check("nonsense" in service.log(), "it is not told which key is wrong")
        # The token of the API.
        check(status_with("a" * 32) == 200, "the token is not taken")
        write_secret(w.folder, "token", "b" * 32)
        change()
        check((status_with("a" * 32), status_with("b" * 32)) == (401, 200), "the new token is not taken")
        # Limits, disk, log, leases.
        check(metric(stage, "m365stage_resource_units_allowed") is None, "there is a limit")
        change(limits={"sharepoint_units_per_minute": 777})
        stage.sync(expect=0)
        check(metric(stage, "m365stage_resource_units_allowed") == 777, "the limit is not taken")
        change(limits={"sharepoint_units_per_minute": "unlimited"}, stage={"min_free_bytes": "900TiB"})
        is_ready(503)
        change(stage={"min_free_bytes": 0, "index_copy": True}, lease={"max_duration": "77s"})
        is_ready(200)
        before(stage, "1")
        row = stage.rows("SELECT until - since FROM lease")[0]
        check(row[0] == 77, f"the lease lasts {row[0]} s")
        check(os.path.exists(os.path.join(stage.root, "tree/.m365stage/index.db")), "no copy of the index")
        hook(stage, "after-job", "--jobid", "1", "--status", "OK")
        change(log={"format": "json", "level": "debug"})
        check(json.loads(service.log().splitlines()[-1])["level"] == "info", "the log is no JSON")
        # What is selected, which kinds, how long the departed stay, and how often passes run.
        everything = containers()
        users = [c for c in everything if c.startswith("users/")]
        change(select={"users": {"exclude": [users[0].split("/")[1]]}}, sync={"departed_retention": "0s"})
        stage.sync(expect=0)
        check(containers() == everything - {users[0]}, f"selected are {containers()}")
        wait_until(lambda: not os.path.exists(os.path.join(stage.root, "tree", users[0])), "the departed are purged")
        change(kinds=["onedrive", "mail"])
        stage.sync(expect=0)
        check(any(c.endswith("/mail") for c in containers()), f"no mail: {containers()}")
        change(guard={"max_deleted_share": 0, "min_deleted_items": 0})
        item = next(i for i in w.sim.expected() if i["drive_name"] == "OneDrive" and i["type"] == "file" and
                    users[1] in [r[0] for r in stage.rows("SELECT key FROM container WHERE remote_id=?", i["drive"])])
        w.sim.op("delete", drive=item["drive"], id=item["id"])
        out = stage.sync()
        check(out.exit == 6, f"the guard lets it go: {out.told()}")
        change(sync={"interval": "1s", "concurrency": 1})
        wait_for_passes(stage)
        # The credential.
        good = stage.settings["app"]
        change(app={**good, "client_secret_file": write_secret(w.folder, "wrong", "wrong-secret")})
        wait_until(lambda: "auth_refused" in readiness(stage)[1], "the wrong secret is refused", longest=60)
        change(app=good)
        wait_until(lambda: readiness(stage)[1] == ["guard"], "the right one is taken", longest=60)
        service.stop()


@scenario
def stops(options):
    """SIGTERM in a first sync ends within seconds, a second one at once; then kill -9; nothing is lost or fetched twice"""
    with serving(options, "stops", "--users", 2, "--sites", 1, "--files-per-drive", 200, "--specials", 0) as (w, service):
        w.sim.fault("delay", service="files", delay_ms=50, count=-1)
        wait_until(lambda: (metric(w.stage, "m365stage_staged_items") or 0) > 0 or
                   w.stage.rows("SELECT count(*) FROM item WHERE sha256 IS NOT NULL")[0][0] > 20, "it is in the middle")
        seconds = service.stop()
        check(seconds < 5, f"SIGTERM took {seconds:.1f} s")
        staged = w.stage.rows("SELECT count(*) FROM item WHERE sha256 IS NOT NULL")[0][0]
        service.start()
        wait_until(lambda: w.stage.rows("SELECT count(*) FROM item WHERE sha256 IS NOT NULL")[0][0] > staged + 20, "it goes on")
        service.process.send_signal(signal.SIGTERM)
        service.process.send_signal(signal.SIGTERM)
        code = service.process.wait(30)
        check(code in (0, 7), f"two SIGTERMs end it with {code}")
        service.start()
        kill(service.process)
        service.start()
        w.sim.clear_faults()
        wait_until(lambda: readiness(w.stage)[0] == 200, "the first pass ends", longest=120)
        # What is on its way when the service ends is fetched anew, and it was ended three times.
        twice = {i: n for i, n in w.sim.downloads().items() if n > 4}
        check(not twice, f"fetched again and again: {twice}")
        service.stop()
        compare(w.stage, quiet=True)
    return f"SIGTERM took {seconds:.1f} s with {staged} files staged"


@scenario
def stops_waiting(options):
    """SIGTERM while a sign-in waits (throttled for minutes, refused, silent) or the index is locked ends all at once"""
    told = []
    with serving(options, "stopswaiting", "--users", 1, "--sites", 0, "--specials", 0) as (w, service):
        stage = w.stage
        service.stop()
        login = stage.settings["endpoints"]["login"]

        def signs_in():
            return "/oauth2/" in json.dumps(w.sim.get("log?limit=5"))

        def in_the_middle(what, waits):
            service.start()
            wait_until(waits, f"{what}: the sign-in waits")
            seconds = service.stop()
            check(seconds < 3, f"{what}: SIGTERM took {seconds:.1f} s")
            told.append(f"{what}: {seconds:.1f} s")

        w.sim.fault("throttle", service="login", status=429, retry_after=300, count=-1)
        w.sim.forget_requests()
        in_the_middle("throttled", signs_in)
        w.sim.forget_requests()
        pass_alone = stage.start()
        wait_until(signs_in, "sync: the sign-in waits")
        pass_alone.terminate()
        code = pass_alone.wait(3)
        check(code == 7, f"SIGTERM ended sync with {code}")
        w.sim.clear_faults()
        log = len(service.log())
        stage.configure(endpoints={"login": f"https://127.0.0.1:{free_port()}"})
        in_the_middle("refused", lambda: "trying again" in service.log()[log:])
        with socket.create_server(("127.0.0.1", 0)) as silent:
            stage.configure(endpoints={"login": f"https://127.0.0.1:{silent.getsockname()[1]}"})
            silent.settimeout(30)

            def connected():
                silent.accept()
                return True

            in_the_middle("silent", connected)
        stage.configure(endpoints={"login": login})
        service.start()
        wait_until(lambda: readiness(stage)[0] == 200, "it signs in", longest=60)
        with contextlib.closing(sqlite3.connect(os.path.join(stage.root, "index.db"), isolation_level=None)) as other:
            begun = passes(stage)
            wait_until(lambda: passes(stage) > begun, "a pass ends")
            other.execute("BEGIN IMMEDIATE")
            wait_until(lambda: metric(stage, "m365stage_pass_running") == 1, "a pass meets the lock")
            seconds = service.stop()
            check(seconds < 3, f"index locked: SIGTERM took {seconds:.1f} s")
            told.append(f"index locked: {seconds:.1f} s")
    return "; ".join(told)
