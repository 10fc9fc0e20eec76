#!/usr/bin/env python3
"""Measures m365stage against m365sim, beside rclone, curl and wrk on the same content.

    bench.py [--case small|where|big|million|rename|nothing-changed|limits|onedrive ...] [--items N] [--bytes N]
             [--build DIR]

small            first pass over many small files; wrk says what the server could give, rclone what others get
onedrive         the same beside abraunegg's onedrive (as root: it gets its authorities by a bind mount)
where            where the time of such a pass goes: by thread, kernel, server, and by system call
nothing-changed  a first pass, then one over nothing new
big              one large file against curl
million          memory of a first pass over a tenth and over all of so many items (empty files); then, with all of
                 them, a pass over nothing new, and how long the questions of a person and of a backup job take
rename           a folder of many files gets another name: requests, renames, rows of the index that moved
restore          one file of 5 GiB is lost and put back; its hash is compared at the end
limits           published budget switched on, windows shortened: share of it used, requests refused

A line per program: seconds, items/s, MB/s, requests at the server, CPU seconds and peak memory of the client.
Everything runs on this machine, server included, so compare lines of one run with one another.
Standard library; rclone, wrk and curl if they are installed.
"""
import argparse
import contextlib
import json
import mmap
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request

import breakdown
import large

HERE = os.path.dirname(os.path.abspath(__file__))
USER = "bench@contoso.example"
WRK_SCRIPT = """
local paths = {}
for line in io.lines(os.getenv("BENCH_PATHS")) do paths[#paths + 1] = line end
local seed = 0
function setup(thread) thread:set("offset", seed); seed = seed + 7919 end
function init(args) n = offset or 0 end
function request()
  n = n + 1
  return wrk.format("GET", paths[n % #paths + 1])
end
"""


class Tenant:
    """A running m365sim, with no more in it than `arguments` ask for."""

    def __init__(self, build, folder, arguments):
        self.folder = folder
        ready = os.path.join(folder, "sim.json")
        with open(ready, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [os.path.join(build, "tests/simulator/m365sim"), "--dir", os.path.join(folder, "sim"),
                 "--sites", "0", "--groups", "0", "--specials", "0", "--files-per-drive", "0", *arguments],
                stdout=out, stderr=subprocess.DEVNULL)
        try:
            self.facts = self.wait_ready(ready)
            self.tls = ssl.create_default_context(cafile=self.facts["ca_file"])
            self.seed()
            self.token = self.admin("token", {"lifetime": 864000})
        except BaseException:
            self.stop()
            raise

    def seed(self):
        """What no argument of m365sim makes."""

    def wait_ready(self, path):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with open(path, encoding="utf-8") as f:
                text = f.read()
            if text.endswith("\n"):
                return json.loads(text)
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit("bench: m365sim does not start")

    def ask(self, url, data=None, headers=None):
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(url, data=body, headers=headers or {})
        with urllib.request.urlopen(request, context=self.tls, timeout=300) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def admin(self, path, data=None):
        return self.ask(self.facts["admin"] + "/" + path, data)

    def requests(self):
        return self.admin("requests")["requests"]

    def lines(self, path):
        """What a copy should hold, as the admin API tells it: one object a line."""
        with urllib.request.urlopen(self.facts["admin"] + "/" + path, context=self.tls, timeout=300) as answer:
            yield from map(json.loads, answer)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


class DriveTenant(Tenant):
    """With one user's drive of `items` files."""

    def __init__(self, build, folder, items, size, folders):
        self.bulk = {"user": USER, "items": items, "folders": folders, "file_size": size, "seed": 1}
        super().__init__(build, folder, ["--users", "1"])

    def seed(self):
        self.drive = self.admin("bulk", self.bulk)["drive"]

    def download_paths(self, target):
        """Writes the paths of all download URLs to a file and answers their origin."""
        url, origin, fields = f"{self.facts['graph']}/v1.0/drives/{self.drive}/root/delta", None, {
            "Authorization": "Bearer " + self.token["access_token"]}
        with open(target, "w", encoding="utf-8") as out:
            while url:
                page = self.ask(url, headers=fields)
                for item in page["value"]:
                    link = item.get("@microsoft.graph.downloadUrl")
                    if link:
                        parts = link.split("/", 3)
                        origin = "/".join(parts[:3])
                        out.write("/" + parts[3] + "\n")
                url = page.get("@odata.nextLink")
        return origin

    def first_folder(self):
        return next(o["path"] for o in self.lines(f"expected?hashes=0&drive={self.drive}") if o["type"] == "folder")

    def hashes(self):
        """sha256 of every file of the drive, by path."""
        told = self.lines(f"expected?hashes=1&drive={self.drive}")
        return {o["path"]: o["sha256"] for o in told if o["type"] == "file"}


def touch_memory(size):
    """On a virtual machine the first use of a page of memory is slow, since the host has to find one: files were written at
    450 MB/s instead of 2,900. That is not what is measured, so as much memory is used before."""
    with mmap.mmap(-1, max(size, mmap.PAGESIZE)) as memory:
        for at in range(0, size, mmap.PAGESIZE):
            memory[at] = 1


def watch_memory(pid):
    """Peak resident KiB of a child until it ends. Not ru_maxrss, which begins with what this program had when it forked."""
    peak = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    peak = max(peak, int(line.split()[1]))
        time.sleep(0.02)
    return peak


class Bench:
    """m365stage, and others, beside a tenant. `special`: of the configuration, what is not the same for all."""

    def __init__(self, build, folder, tenant, items, size, special):
        self.build, self.folder, self.tenant, self.items, self.size = build, folder, tenant, items, size
        self.config = os.path.join(folder, "config.yaml")
        facts = tenant.facts
        config = {
            "tenant": {"id": facts["tenant"]},
            "app": {"client_id": facts["client_id"], "client_secret_file": facts["client_secret_file"]},
            "restore_app": {"client_id": facts["client_id"], "client_secret_file": facts["client_secret_file"]},
            "endpoints": {"login": facts["login"], "graph": facts["graph"], "ca_file": facts["ca_file"]},
            "stage": {"root": os.path.join(folder, "stage"), "min_free_bytes": 0},
            "api": {"socket": os.path.join(folder, "api.sock")},
            **special,
        }
        with open(self.config, "w", encoding="utf-8") as out:
            json.dump(config, out)  # JSON is YAML
        os.chmod(self.config, 0o600)

    def measured(self, name, command, items, size, environment=None):
        """Runs a client to its end and prints its line. Answers (seconds, CPU seconds, peak KiB)."""
        before = self.tenant.requests()
        touch_memory(items * size)
        with open(os.path.join(self.folder, "client.log"), "w+", encoding="utf-8") as log:
            began = time.monotonic()
            process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(environment or {})})
            peak = watch_memory(process.pid)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode != 0:
                log.seek(0)
                raise SystemExit(f"bench: {name} ended with {process.returncode}\n{log.read()[-3000:]}")
        cpu = usage.ru_utime + usage.ru_stime
        show(name, seconds, items, items * size, self.tenant.requests() - before, cpu, peak)
        return seconds, cpu, peak

    @property
    def binary(self):
        return os.path.join(self.build, "daemon/m365stage")

    def sync(self, name, items, size):
        return self.measured(name, [self.binary, "--config", self.config, "sync"], items, size)

    def sync_only(self, name, user, items):
        only = ["--only", f"users/{user}/*"]
        return self.measured(name, [self.binary, "--config", self.config, "sync", *only], items, 0)

    def start_over(self):
        shutil.rmtree(os.path.join(self.folder, "stage"))

    def wrk(self, seconds, connections=32, fields=()):
        """Downloads everything over and over; `fields`: of the requests' headers. Answers the rate."""
        if not shutil.which("wrk"):
            return None
        paths, script = os.path.join(self.folder, "paths"), os.path.join(self.folder, "wrk.lua")
        origin = self.tenant.download_paths(paths)
        with open(script, "w", encoding="utf-8") as out:
            out.write(WRK_SCRIPT)
        headers = [word for field in fields for word in ("-H", field)]
        done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, *headers, origin],
                              check=True, capture_output=True, text=True, env={**os.environ, "BENCH_PATHS": paths})
        if "Non-2xx" in done.stdout:
            raise SystemExit("bench: wrk was refused\n" + done.stdout)
        rate = float(done.stdout.split("Requests/sec:")[1].split()[0])
        show("wrk", seconds, int(rate * seconds), int(rate * seconds) * self.size, None, None, None)
        return rate

    def floor(self, connections=32, fields=()):
        """The same downloads by a program that does nothing but leave two durable files for each (floor.cpp). Answers the rate."""
        paths, target = os.path.join(self.folder, "paths"), os.path.join(self.folder, "floor")
        origin = self.tenant.download_paths(paths)
        os.mkdir(target)
        command = [os.path.join(self.build, "tests/bench_floor"), self.tenant.facts["ca_file"], origin, paths, target,
                   str(connections), *fields]
        return self.items / self.measured("bench_floor", command, self.items, self.size)[0]

    def rclone(self):
        if not shutil.which("rclone"):
            return None
        self.tenant.admin("settings", {"reject_authorization": False})
        token = self.tenant.token
        line = json.dumps({"access_token": token["access_token"], "token_type": "Bearer",
                           "refresh_token": token["refresh_token"], "expiry": "2099-01-01T00:00:00Z"})
        config = os.path.join(self.folder, "rclone.conf")
        with open(config, "w", encoding="utf-8") as out:
            out.write(f"[sim]\ntype = onedrive\nregion = global\ndrive_type = business\n"
                      f"drive_id = {self.tenant.drive}\ntoken = {line}\n")
        facts = self.tenant.facts
        return self.measured(
            "rclone copy", ["rclone", "--config", config, "--ca-cert", facts["ca_file"], "--transfers", "32",
                            "--checkers", "32", "--retries", "1", "copy", "sim:", os.path.join(self.folder, "rclone")],
            self.items, self.size,
            {"HTTPS_PROXY": facts["proxy"], "https_proxy": facts["proxy"], "SSL_CERT_FILE": facts["ca_file"]})

    def stop(self):
        self.tenant.stop()


def show(name, seconds, items, size, requests, cpu, rss):
    def cell(value, form):
        return "-" if value is None else format(value, form)
    print(f"{name:26} {seconds:8.2f} {items / seconds:9.0f} {size / seconds / 1e6:8.1f} {cell(requests, 'd'):>9} "
          f"{cell(cpu, '.2f'):>8} {cell(None if rss is None else rss / 1024, '.0f'):>8}", flush=True)


def title(case, what):
    print(f"\n{case}: {what}\n{'':26} {'seconds':>8} {'items/s':>9} {'MB/s':>8} {'requests':>9} {'CPU s':>8} {'RSS MiB':>8}")


def compare(ours, wrk, floor):
    """Rates. wrk's is missing where it is not installed."""
    if wrk:
        print(f"m365stage reaches {ours / wrk:.2f} of wrk, bench_floor {floor / wrk:.2f}")
    print(f"m365stage reaches {ours / floor:.2f} of bench_floor")


def small(bench, options):
    ours = bench.items / bench.sync("m365stage, first pass", bench.items, bench.size)[0]
    compare(ours, bench.wrk(options.wrk_seconds), bench.floor())
    others = bench.rclone()
    if others:
        print(f"m365stage is {ours / (bench.items / others[0]):.1f} times as fast as rclone")


def where(bench, _):
    command = [bench.binary, "--config", bench.config, "sync"]
    with open(os.path.join(bench.folder, "client.log"), "w", encoding="utf-8") as log:
        seen = breakdown.run_watched(command, log, bench.tenant.process.pid)
        breakdown.show_threads(bench.items, *seen)
        os.rename(os.path.join(bench.folder, "stage"), os.path.join(bench.folder, "first"))
        breakdown.show_calls(bench.items, command, log, os.path.join(bench.folder, "strace"))


def nothing_changed(bench, _):
    bench.sync("m365stage, first pass", bench.items, bench.size)
    bench.sync("m365stage, nothing new", bench.items, 0)


def big(bench, _):
    """curl is done when the last byte is in the page cache, m365stage when all is on the disk: curl is measured both ways."""
    paths = os.path.join(bench.folder, "paths")
    origin = bench.tenant.download_paths(paths)
    with open(paths, encoding="utf-8") as f:
        url = origin + f.readline().strip()
    target = os.path.join(bench.folder, "curl.out")
    command = f"curl -sSf --cacert {bench.tenant.facts['ca_file']} -o {target} '{url}'"
    cached = bench.measured("curl", ["sh", "-c", command], 1, bench.size)[0]
    os.remove(target)
    durable = bench.measured("curl, and sync of its file", ["sh", "-c", f"{command} && sync {target}"], 1, bench.size)[0]
    os.remove(target)
    ours = bench.sync("m365stage", 1, bench.size)[0]
    print(f"m365stage reaches {cached / ours:.2f} of curl's rate, {durable / ours:.2f} with what makes it durable")


def onedrive(bench, _):
    ours = bench.sync("m365stage, first pass", bench.items, bench.size)[0]
    if theirs := large.onedrive(bench):
        print(f"m365stage is {theirs / ours:.1f} times as fast as onedrive")


def restore(bench, _):
    bench.sync("m365stage, first pass", bench.items, bench.size)
    before = bench.tenant.hashes()
    bench.tenant.admin("op", {"op": "delete", "drive": bench.tenant.drive, "path": bench.tenant.first_folder()})
    binary = os.path.join(bench.build, "daemon/m365stage")
    bench.measured("m365stage restore", [binary, "--config", bench.config, "restore", "--from",
                                         os.path.join(bench.folder, "stage/tree"), "--in-place", "--yes"],
                   bench.items, bench.size)
    if not before or bench.tenant.hashes() != before:
        raise SystemExit("bench: what was put back is not what was lost")


def limits(bench, options):
    bench.tenant.admin("limits", {"per_minute": options.budget, "window_seconds": options.window})
    bench.sync("m365stage, limited", bench.items, bench.size)
    print(json.dumps(bench.tenant.admin("limits"), indent=1)[:3000])


# case: (function, files, bytes of each, folders, what)
CASES = {
    "small": (small, 20_000, 4096, 100, "small files"),
    "nothing-changed": (nothing_changed, 20_000, 4096, 100, "a pass over nothing new"),
    "big": (big, 1, 4 << 30, 1, "one large file"),
    "where": (where, 20_000, 4096, 100, "where the time goes"),
    "onedrive": (onedrive, 20_000, 4096, 100, "small files, beside onedrive"),
    "million": (large.million, 1_000_000, 0, 1000, "memory and time of very many items"),
    "rename": (large.rename, 100_000, 0, 1, "a folder with everything in it gets another name"),
    "restore": (restore, 1, 5 << 30, 1, "a large file on its way back"),
    "limits": (limits, 20_000, 4096, 100, "the published budget"),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--items", type=int)
    parser.add_argument("--bytes", type=int)
    parser.add_argument("--build", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--wrk-seconds", type=int, default=5)
    parser.add_argument("--budget", type=int, default=1250, help="limits: resource units of a window")
    parser.add_argument("--window", type=int, default=6, help="limits: seconds that stand for a minute")
    parser.add_argument("--dir", help="where to work (default: a new folder under TMPDIR)")
    options = parser.parse_args()
    for case in options.case or ["small"]:
        run, items, size, folders, what = CASES[case]
        items = items if options.items is None else options.items
        size = size if options.bytes is None else options.bytes
        title(case, f"{what} ({items:,} of {size:,} bytes)")
        folder = tempfile.mkdtemp(prefix="m365bench.", dir=options.dir)
        bench = None
        try:
            units = "auto" if case == "limits" else "unlimited"
            tenant = DriveTenant(options.build, folder, items, size, min(folders, max(items, 1)))
            bench = Bench(options.build, folder, tenant, items, size,
                          {"kinds": ["onedrive"], "limits": {"sharepoint_units_per_minute": units}})
            run(bench, options)
        finally:
            if bench:
                bench.stop()
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
