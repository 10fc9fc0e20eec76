"""The running service: leases and the hook for Bareos jobs, stops, a second one, the notify protocol."""

import json
import os
import re
import signal
import socket

from cases import scenario
from harness import check, compare, kill
from running import before, hook, serving, wait_for_passes, wait_until


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
        wait_until(lambda: stage.snapshot() != still, "what came is applied")
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
def lease_ends(options):
    """a lease that nobody ends expires, and one is ended by hand; the jobs do not count as whole"""
    with serving(options, "leaseends", "--users", 1, "--sites", 0, lease={"max_duration": "2s"}) as (w, _):
        stage = w.stage
        before(stage, "1")
        still = stage.snapshot()
        w.sim.change(options.seed, 30)
        wait_until(lambda: stage.snapshot() != still, "the tree moves after the lease's time")
        out = hook(stage, "after-job", "--jobid", "1", "--status", "OK", expect=1)
        check("expired" in out.told(), f"the job is not told: {out.told()}")
        before(stage, "2")
        check("nightly" in stage.run("lease", "list").stdout, "the lease is not listed")
        check(stage.run("lease", "end", "2").exit == 0, "it can't be ended by hand")
        check(stage.run("lease", "end", "2").exit != 0, "a lease that is gone can be ended")
        told = [row["read_status"] for row in stage.rows("SELECT read_status FROM job ORDER BY id")]
        check(told == ["lease expired", "lease ended by hand"], f"the jobs say {told}")


@scenario
def refusals(options):
    """the hook refuses with one line and the right exit code, and gives the lease when the cause is gone"""
    told = []
    with serving(options, "refusals", "--users", 1, "--sites", 0) as (w, service):
        stage = w.stage
        told.append(before(stage, "1", "--on-owed", "fail", expect=1).told())
        w.sim.post("auth", refuse=7000222, expire_all=True)
        told.append(before(stage, "2", expect=3).told())
        before(stage, "3", "--max-age", "1h")
        hook(stage, "after-job", "--jobid", "3", "--status", "OK")
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


def expect_words(listening, *words):
    for word in words:
        while word not in listening.recv(4096).decode().splitlines():
            pass


@scenario
def simulator_back(options):
    """Microsoft 365 goes away under the service and comes back: it says so, stays up, and goes on by itself"""
    with serving(options, "back", "--users", 1, "--sites", 0) as (w, service):
        wait_for_passes(w.stage)
        w.sim.fault("reset", count=-1)
        wait_until(lambda: "next try in" in service.log(), "the failure is told", longest=120)
        w.sim.clear_faults()
        w.sim.change(options.seed, 20)
        wait_for_passes(w.stage)
        check(service.process.poll() is None, "the service ended")
        w.stage.sync(expect=(0, 1))
        service.stop()
        compare(w.stage)
