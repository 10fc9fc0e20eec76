"""A Bacula of one's own: Director on SQLite, storage daemon, file daemon and console on loopback, in one folder.

Its configuration is examples/bareos as examples/bareos/setup.sh writes it, translated by dialect.py. Nothing of an
installed Bacula is read or touched but its programs and the script that makes the catalog's tables.
"""

import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import time

import dialect
from harness import Failed, check

PROGRAMS = {"dir": "bacula-dir", "sd": "bacula-sd", "fd": "bacula-fd"}
TABLES = "/usr/share/bacula-director/make_sqlite3_tables"
EXAMPLES = os.path.join(os.path.dirname(__file__), "../../examples/bareos")


def free_port():
    """A port that nobody listens on, below those that the system gives to outgoing connections: a daemon that starts a
    moment later would lose one of these now and then."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) != 0:
                return port


def await_condition(condition, what, seconds=60):
    """Polls: for what other programs give no way to wait for."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"did not happen in {seconds} s: {what}")
        time.sleep(0.02)


def by_hand(run):
    """A `Run` of a Schedule, at an hour that is far from now: tests start their jobs themselves, and a night's own jobs
    would come between them whenever the clock strikes their hour."""
    far, moved = re.subn(r"at \d+:\d\d", time.strftime("at %H:30", time.localtime(time.time() + 12 * 3600)), run)
    check(moved == 1, f"no hour in a schedule: Run = {run}")
    return far


class Job:
    """A job that has ended: its row in the catalog and its log."""

    def __init__(self, bacula, number):
        self.number = number
        row = bacula.rows("SELECT * FROM Job WHERE JobId=?", number)[0]
        self.status = row["JobStatus"]
        self.level = row["Level"]
        self.files = row["JobFiles"]
        self.name = row["Name"]
        self.log = "".join(r["LogText"] for r in bacula.rows("SELECT LogText FROM Log WHERE JobId=? ORDER BY LogId", number))

    def expect(self, *statuses):
        check(self.status in statuses, f"job {self.number} ended with {self.status}, not {statuses}:\n{self.log}")
        return self


class Bacula:
    def __init__(self, folder, stage, setup=(), environment=None, second=None):
        """`setup`: further arguments of setup.sh. `stage`: the harness' Stage of the tenant; `second`: of a tenant fabrikam."""
        self.folder = folder
        self.stage = stage
        self.second = second
        self.ports = {name: free_port() for name in PROGRAMS}
        self.processes = {}
        self.client = "m365-stage-fd"
        self.hook_options = ""
        self.job_directives = {}
        for name in ("work", "volumes", "pid", "bin"):
            os.makedirs(os.path.join(folder, name), 0o700)
        self.mails = os.path.join(folder, "mails")
        self.write_programs()
        self.set_up(setup, environment or {})
        self.write_configuration()
        self.make_catalog()

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def write_programs(self):
        """Stand-ins of what the configuration names by its place on a real system."""
        with open(self.path("bin/mail"), "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\n{{ echo "To and subject: $*"; cat; }} >> {self.mails}\n')
        with open(self.path("bin/bconsole"), "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec /usr/sbin/bconsole "$@"\n')
        for name in ("mail", "bconsole"):
            os.chmod(self.path("bin", name), 0o755)

    def set_up(self, arguments, environment):
        """As an administrator does it: five values, and the script."""
        values = {
            "FD_ADDRESS": "127.0.0.1",
            "SD_ADDRESS": "127.0.0.1",
            "S3_URL": "http://m365.s3.localhost:9000",
            "MAIL_TO": "somebody@example.com",
            "PATH": os.environ["PATH"],
            **environment,
        }
        for words in [arguments, *([["--tenant", "fabrikam", "--instance"]] if self.second else [])]:
            done = subprocess.run(
                ["bash", os.path.join(EXAMPLES, "setup.sh"), *words, self.path("etc")],
                env=values, capture_output=True, text=True, check=False,
            )
            check(done.returncode == 0, f"setup.sh: {done.stdout}{done.stderr}")

    def write_configuration(self):
        program = os.path.abspath(self.stage.binary)
        places = [
            ("hook before-job --job", f"hook before-job{self.hook_options} --job"),
            ("/usr/bin/m365stage", program),
            ("/etc/m365stage/config.yaml", self.stage.config_file),
            ("/var/lib/m365stage", self.stage.root),
            ("/var/lib/bareos", self.path("work")),
            ("/var/log/bareos", self.path("work")),
            ("/usr/bin/bsmtp", self.path("bin/mail")),
            ("/etc/bareos/scripts", self.path("etc/scripts")),
        ]
        if self.second:
            places = [
                ("/etc/m365stage/fabrikam/config.yaml", self.second.config_file),
                ("/var/lib/m365stage-fabrikam", self.second.root),
                *places,
            ]
        parts = {
            "dir": dialect.director(dialect.read_folder(self.path("etc/bareos-dir.d"))),
            "sd": dialect.storage_daemon(dialect.read_folder(self.path("etc/bareos-sd.d")), self.path("volumes")),
            "fd": dialect.file_daemon(dialect.read_folder(self.path("etc/bareos-fd.d"))),
        }
        for r in parts["dir"]:
            if r.kind == "Client":
                r.set("FDPort", str(self.ports["fd"]))
            if r.kind == "Storage":
                r.set("SDPort", str(self.ports["sd"]))
            if r.kind == "JobDefs":
                for key, value in self.job_directives.items():
                    r.set(key, value)
            if r.kind == "Schedule":
                r.items = [(key, by_hand(value) if key == "Run" else value) for key, value in r.items]
        for name, resources in parts.items():
            dialect.replace(resources, places)
            self.write(f"{name}.conf", "\n".join(r.text() for r in [*self.own_resources(name), *resources]))
        self.write(
            "console.conf",
            f'Director {{\n  Name = bareos-dir\n  DIRport = {self.ports["dir"]}\n  Address = 127.0.0.1\n'
            '  Password = "root-console"\n}',
        )
        with open(self.path("etc/m365-operator.conf"), encoding="utf-8") as f:
            operator = dialect.parse(f.read(), "bconsole.conf")
        operator[0].set("Address", "127.0.0.1")
        operator[0].set("DIRport", str(self.ports["dir"]))
        self.write("operator.conf", "\n".join(r.text() for r in operator))

    def reconfigure(self, hook_options="", **job_directives):
        """Other options of the hook before a job, and directives of its JobDefs (`_` for a space); the Director reads them."""
        self.hook_options = hook_options
        self.job_directives = {key.replace("_", " "): value for key, value in job_directives.items()}
        self.write_configuration()
        self.console("reload")

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text + "\n")
        os.chmod(self.path(name), 0o600)

    def own_resources(self, name):
        """What every Bareos has already, and the examples therefore leave out."""
        common = f'WorkingDirectory = {self.path("work")}\nPidDirectory = {self.path("pid")}\n'
        catalog = 'Catalog {\nName = MyCatalog\ndbname = catalog\ndbuser = ""\ndbpassword = ""\n}'
        own = {
            "dir": "Director {\nName = bareos-dir\n" + common + f'DIRport = {self.ports["dir"]}\n'
            "DirAddress = 127.0.0.1\nQueryFile = /etc/bacula/scripts/query.sql\nMaximum Concurrent Jobs = 10\n"
            'Password = "root-console"\nMessages = m365\n}\n' + catalog,
            "sd": "Storage {\nName = m365-sd\n" + common + f'SDPort = {self.ports["sd"]}\nSDAddress = 127.0.0.1\n'
            "Maximum Concurrent Jobs = 10\n}\nMessages {\nName = Standard\ndirector = bareos-dir = all\n}",
            "fd": "FileDaemon {\nName = m365-stage-fd\n" + common + f'FDport = {self.ports["fd"]}\n'
            "FDAddress = 127.0.0.1\nMaximum Concurrent Jobs = 10\n}\n"
            "Messages {\nName = Standard\ndirector = bareos-dir = all, !skipped, !restored\n}",
        }
        return dialect.parse(own[name], "own resources")

    def make_catalog(self):
        with open(TABLES, encoding="utf-8") as f:
            script = re.search(r"<<END-OF-DATA\n(.*?)\nEND-OF-DATA", f.read(), re.S)[1]
        db = sqlite3.connect(self.path("work/catalog.db"))
        db.executescript(script)
        db.close()

    # -- daemons

    def start(self, *names):
        for name in names or PROGRAMS:
            with open(self.path(f"{name}.out"), "ab") as out:
                environment = {**os.environ, "PATH": self.path("bin") + ":" + os.environ["PATH"]}
                environment["BCONSOLE_CONF"] = self.path("operator.conf")
                self.processes[name] = subprocess.Popen(
                    ["/usr/sbin/" + PROGRAMS[name], "-f", "-c", self.path(f"{name}.conf")],
                    stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment,
                )
        for name in names or PROGRAMS:
            await_condition(lambda name=name: self.answers(name), f"{PROGRAMS[name]} listens")

    def answers(self, name):
        with open(self.path(f"{name}.out"), encoding="utf-8", errors="replace") as f:
            check(self.processes[name].poll() is None, f"{PROGRAMS[name]} ended: {f.read()[-2000:]}")
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.ports[name])) == 0

    def stop(self, *names, how=signal.SIGTERM):
        for name in names or list(self.processes):
            process = self.processes.pop(name)
            process.send_signal(how)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    # -- console and catalog

    def console(self, *lines, config="console.conf", timeout=300):
        done = subprocess.run(
            ["/usr/sbin/bconsole", "-n", "-c", self.path(config)],
            input="\n".join([*lines, "quit", ""]), capture_output=True, text=True, errors="replace",
            timeout=timeout, check=False,
        )
        check(done.returncode == 0, f"bconsole: {done.stdout}{done.stderr}")
        return done.stdout

    def rows(self, statement, *parameters):
        db = sqlite3.connect(f'file:{self.path("work/catalog.db")}?mode=ro', uri=True, timeout=30)
        db.row_factory = sqlite3.Row
        try:
            return db.execute(statement, parameters).fetchall()
        finally:
            db.close()

    def begin(self, job, level=None, **more):
        """Starts a job; its number."""
        words = {"level": level, **more}
        out = self.console(" ".join(["run", f"job={job}", *(f"{key}={word}" for key, word in words.items() if word), "yes"]))
        found = re.search(r"JobId=(\d+)", out)
        check(found, f"the job was not started: {out}")
        return int(found[1])

    def ended(self, number, seconds=300):
        """Waits for the end of a job, and until its log and mail are written."""
        self.console(f"wait jobid={number}", timeout=seconds)
        await_condition(lambda: self.rows("SELECT 1 FROM Job WHERE JobId=? AND JobStatus NOT IN ('C','R','a','i','l')", number),
                        f"job {number} has ended", seconds)
        # The log reaches the catalog with the job's last message.
        await_condition(lambda: self.rows("SELECT 1 FROM Log WHERE JobId=? AND LogText LIKE '%Termination:%'", number),
                        f"the log of job {number}")
        return Job(self, number)

    def run(self, job="m365-contoso", level=None, seconds=300):
        return self.ended(self.begin(job, level), seconds)

    def last(self):
        """The number of the latest job."""
        return self.rows("SELECT max(JobId) AS id FROM Job")[0]["id"]

    def saved(self, number, deleted=False, stage=None):
        """Paths below tree/ that a job saved (or recorded as deleted); folders end in a slash."""
        sign = "<=0" if deleted else ">0"
        top = os.path.join((stage or self.stage).root, "tree") + "/"
        found = set()
        for row in self.rows(
            "SELECT Path.Path AS folder, Filename.Name AS name FROM File JOIN Path USING (PathId) "
            f"JOIN Filename USING (FilenameId) WHERE JobId=? AND FileIndex{sign}", number,
        ):
            path = row["folder"] + row["name"]
            check(path.startswith(top) or top.startswith(path), f"job {number} has {path}")
            found.add(path[len(top):])
        found.discard("")
        return found

    def listed(self, number):
        """The same as an operator sees it, in bconsole."""
        top = os.path.join(self.stage.root, "tree") + "/"
        out = self.console(f"list files jobid={number}")
        found = {line.strip("| \t") for line in out.splitlines() if line.strip("| \t").startswith("/")}
        return {path[len(top):] for path in found if path.startswith(top)} - {""}

    def restore(self, where, *choices, job="m365-contoso-restore", fileset="m365-contoso", before=None, jobids=None):
        """Restores `choices` (console lines of the restore dialogue, such as "mark *"); its job."""
        if jobids:  # with "select" or a FileSet, Bacula would add the later jobs
            chosen = f"jobid={jobids} client={self.client}"
        else:
            chosen = f"client={self.client} fileset={fileset} " + (f'before="{before}"' if before else "current") + " select"
        out = self.console(f"restore {chosen} restorejob={job} where={where}", *choices, "done", "yes")
        found = re.search(r"Job queued. JobId=(\d+)", out)
        check(found, f"the restore was not started: {out}")
        return self.ended(int(found[1]))
