"""One simulated tenant, its stage with the service running, and a Bacula that backs the stage up."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import harness
from cases.disk import Mount
from daemons import Bacula
from harness import Failed, check, sidecar_path, walk

OWN_FILES = {".m365stage/cursors.json", ".m365stage/manifest.json"}  # the second is written by the hook


class Service:
    """`m365stage serve`, started as systemd starts it: ready when it says so."""

    def __init__(self, stage):
        self.stage = stage
        self.process = None
        self.log = os.path.join(stage.folder, "service.log")

    def start(self, seconds=60):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(os.path.join(folder, "notify"))
            notify.settimeout(0.2)
            with open(self.log, "ab") as out:
                self.process = subprocess.Popen(
                    [self.stage.binary, "--config", self.stage.config_file, "serve"],
                    stdout=out, stderr=out, env={**os.environ, "NOTIFY_SOCKET": os.path.join(folder, "notify")},
                )
            end = time.monotonic() + seconds
            while not self.says_ready(notify):
                check(self.process.poll() is None, f"the service ended with {self.process.returncode}: {self.tail()}")
                check(time.monotonic() < end, f"the service is not ready after {seconds} s: {self.tail()}")
        return self

    @staticmethod
    def says_ready(notify):
        try:
            return b"READY=1" in notify.recv(4096).split(b"\n")
        except TimeoutError:
            return False

    def tail(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()[-2000:]

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"the service did not end in 30 s after signal {how}: {self.tail()}") from None
        finally:
            self.process = None


class Site:
    """The world of one case, in a folder of its own; removed at the end, kept if the case failed."""

    def __init__(self, options, name, *arguments, setup=(), disk=None, second=None, **settings):
        """`disk`: the size of a file system of its own for the stage. `second`: another Site, with the tenant fabrikam, whose
        Bacula is this one's (and which therefore has `setup=None`). `settings`: of config.yaml."""
        self.options = options
        self.folder = tempfile.mkdtemp(prefix=f"m365-e2e-{name}-", dir=options.temp)
        self.arguments = arguments
        self.setup = setup
        self.settings = settings
        self.disk_size = disk
        self.second = second
        self.no_disk = "it was not asked for"
        self.sim = self.service = self.bacula = self.disk = None

    def __enter__(self):
        try:
            self.sim = harness.Simulator(self.options.build, self.folder, "--specials", 0, *self.arguments)
            root = self.path("disk", "stage")
            if self.disk_size:
                try:
                    self.disk = Mount(self.path("disk"), self.disk_size)
                except harness.Skipped as e:
                    self.no_disk = str(e)
            self.stage = harness.Stage(self.options.build, self.sim, self.folder, root)
            self.stage.configure(api={"socket": os.path.join(self.folder, "api.sock")}, sync={"interval": "1h"},
                                 kinds=["onedrive", "sharepoint", "groups"])
            self.stage.configure(**self.settings)
            self.service = Service(self.stage).start()
            if self.setup is not None:
                os.mkdir(self.path("bacula"))
                self.bacula = Bacula(self.path("bacula"), self.stage, self.setup, second=self.second and self.second.stage)
                self.bacula.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.stop()
        if kind is None or issubclass(kind, harness.Skipped):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"    kept: {self.folder}", flush=True)

    def stop(self):
        for part in (self.bacula, self.service, self.sim, self.disk):
            if part is not None:
                part.stop()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    @property
    def tree(self):
        return os.path.join(self.stage.root, "tree")

    def files(self):
        """Facts of every file in tree/ (not of folders, whose times mean nothing), by path."""
        return {
            os.fsdecode(path): (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            for path, facts in walk(self.tree)
            if facts.st_mode & 0o170000 == 0o100000
        }

    def snapshot(self):
        """The facts of every name in tree/; of a tree that moves while it is looked at, none."""
        try:
            return self.stage.snapshot()
        except FileNotFoundError:
            return {}

    def mails(self):
        """What was sent so far."""
        try:
            with open(self.bacula.mails, encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def log_lines(self, words):
        """How many lines of the service's log hold `words`."""
        with open(self.service.log, encoding="utf-8", errors="replace") as f:
            return sum(words in line for line in f)

    def hooks(self, number):
        """Processes of hooks of a job that still run."""
        found = []
        for process in os.listdir("/proc"):
            try:
                with open(f"/proc/{process}/cmdline", "rb") as f:
                    words = f.read().split(b"\0")
            except OSError:
                continue
            if os.fsencode(self.stage.config_file) in words and b"before-job" in words and str(number).encode() in words:
                found.append(process)
        return found

    def leases(self):
        """Who holds the tree still, as an operator is told."""
        out = self.stage.run("--json", "lease", "list")
        check(out.exit == 0, f"lease list: {out.told()}")
        return {lease["job_id"] for lease in json.loads(out.stdout)}

    def generation(self):
        return self.stage.rows("SELECT max(id) AS id FROM generation WHERE finished_at IS NOT NULL")[0]["id"]

    def changes(self, since):
        """What `m365stage changes` says: (what, type, old path, new path)."""
        out = self.stage.run("--json", "changes", "--since", str(since))
        check(out.exit == 0, f"changes: {out.told()}")
        lines = [json.loads(line) for line in out.stdout.splitlines()]
        return [(c["what"], c["type"], c["old_path"], c["new_path"]) for c in lines]


def sidecar(path):
    return os.fsdecode(sidecar_path(os.fsencode(path)))


def plain_files(paths):
    return {path for path in paths if not path.endswith("/")}


def moved(before, after):
    """Paths whose file is new or has other facts, and paths that are gone."""
    saved = {path for path, facts in after.items() if before.get(path) != facts}
    # A file below a renamed folder has another name, though nothing of it changed.
    gone = set(before) - set(after)
    return saved, gone


def compare_copy(tree, copy):
    """A restored tree against the original: the same names, bytes, modes and owners, and times to the second."""
    wrong = []
    original = dict(walk(tree))
    restored = dict(walk(copy))
    for path in sorted(set(original) ^ set(restored)):
        wrong.append(f"{os.fsdecode(path)} is {'missing' if path in original else 'too much'} in the copy")
    for path in set(original) & set(restored):
        a, b = original[path], restored[path]
        name = os.fsdecode(path)
        if (a.st_mode, a.st_uid, a.st_gid) != (b.st_mode, b.st_uid, b.st_gid):
            wrong.append(f"{name}: mode or owner {b.st_mode:o} {b.st_uid}:{b.st_gid}, not {a.st_mode:o} {a.st_uid}:{a.st_gid}")
        if a.st_mode & 0o170000 != 0o100000:
            continue
        if int(a.st_mtime) != int(b.st_mtime):
            wrong.append(f"{name}: time {b.st_mtime}, not {a.st_mtime}")
        with open(os.path.join(os.fsencode(tree), path), "rb") as x, open(os.path.join(os.fsencode(copy), path), "rb") as y:
            if x.read() != y.read():
                wrong.append(f"{name}: other bytes")
    check(not wrong, f"{len(wrong)} differences between tree and copy:\n  " + "\n  ".join(wrong[:12]))
    return len(original)
