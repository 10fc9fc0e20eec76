"""m365sim and m365stage as processes."""

import http.client
import json
import os
import re
import select
import sqlite3
import ssl
import subprocess
import time
import urllib.parse

from basics import Failed, check, walk


class Simulator:
    """One m365sim process and its admin API."""

    def __init__(self, build, folder, *arguments):
        self.folder = folder
        binary = os.path.join(build, "tests/simulator/m365sim")
        self.errors = open(os.path.join(folder, "sim.err"), "w+b")
        self.process = subprocess.Popen(
            [binary, "--dir", os.path.join(folder, "sim"), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if ready else b""
        check(line, "m365sim did not start")
        self.facts = json.loads(line)
        self.tls = ssl.create_default_context(cafile=self.facts["ca_file"])
        self.connection = None

    def ask(self, method, path, body=None):
        host = urllib.parse.urlsplit(self.facts["graph"]).netloc
        data = None if body is None else json.dumps(body).encode()
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(host, context=self.tls, timeout=300)
            try:
                self.connection.request(method, "/_sim/" + path, data, {"Content-Type": "application/json"})
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                if attempt:
                    raise
        if answer.status >= 300:
            raise Failed(f"the simulator refuses {method} {path} {body}: {text.decode(errors='replace')[:300]}")
        return text

    def get(self, path):
        return json.loads(self.ask("GET", path) or b"null")

    def post(self, where, /, **body):
        return json.loads(self.ask("POST", where, body) or b"null")

    def delete(self, path):
        return self.ask("DELETE", path)

    def expected(self):
        return [json.loads(line) for line in self.ask("GET", "expected?drive=all&hashes=1").splitlines()]

    def change(self, seed, count, **more):
        return self.post("change", seed=seed, count=count, **more)

    def op(self, what, /, **more):
        return self.post("op", op=what, **more)

    def page_size(self, items):
        """Small pages, whatever a client asks for: so that rounds have several."""
        self.post("settings", page_size=items, page_size_max=items)

    def fault(self, kind, **more):
        return self.post("faults", type=kind, **more)

    def clear_faults(self):
        self.delete("faults")

    def forget_requests(self):
        self.post("requests/reset")

    def downloads(self):
        return self.get("downloads") or {}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


class Outcome:
    def __init__(self, exit_code, stdout, stderr, seconds):
        self.exit = exit_code
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds
        self.summary = {}
        for line in stdout.splitlines():
            if line.startswith("{"):
                self.summary = json.loads(line)

    def told(self):
        return (self.stdout + "\n" + self.stderr).strip()


def yaml_of(settings, depth=0):
    lines = []
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            lines += [" " * depth + key + ":", yaml_of(value, depth + 2)]
        else:
            lines.append(" " * depth + key + ": " + json.dumps(value))  # JSON is YAML
    return "\n".join(lines)


class Stage:
    """A configuration, a stage root, and m365stage on them."""

    def __init__(self, build, sim, folder, root=None):
        self.binary = os.path.join(build, "daemon/m365stage")
        self.sim = sim
        self.folder = folder
        self.root = root or os.path.join(folder, "stage")
        self.config_file = os.path.join(folder, "config.yaml")
        self.settings = {
            "tenant": {"id": sim.facts["tenant"]},
            "app": {
                "client_id": sim.facts["client_id"],
                "client_secret_file": sim.facts["client_secret_file"],
            },
            "limits": {"sharepoint_units_per_minute": "unlimited"},
            "endpoints": {
                "login": sim.facts["login"],
                "graph": sim.facts["graph"],
                "ca_file": sim.facts["ca_file"],
            },
            "stage": {"root": self.root, "min_free_bytes": 0},
            "kinds": ["onedrive", "sharepoint"],
            "guard": {"max_deleted_share": 1},
        }
        with open(sim.facts["client_secret_file"], encoding="utf-8") as f:
            self.secrets = [f.read().strip()]
        os.makedirs(self.root, 0o700, exist_ok=True)
        self.configure()

    def configure(self, **changes):
        for section, values in changes.items():
            if isinstance(values, dict) and isinstance(self.settings.get(section), dict) and section != "app":
                self.settings[section].update(values)
            else:
                self.settings[section] = values
        with open(self.config_file, "w", encoding="utf-8") as f:
            f.write(yaml_of(self.settings) + "\n")
        os.chmod(self.config_file, 0o600)

    def start(self, *arguments):
        """A `sync` whose end nobody waits for."""
        return subprocess.Popen(
            [self.binary, "--config", self.config_file, "sync", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *arguments, timeout=300, environment=None):
        began = time.monotonic()
        command = [self.binary, "--config", self.config_file, *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=timeout, check=False, env=environment
            )
        except subprocess.TimeoutExpired as e:
            raise Failed(f"m365stage {' '.join(arguments)} did not end in {timeout} s: {e.stderr}") from e
        out = Outcome(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
            time.monotonic() - began,
        )
        self.check_secrets(out.told(), "the output")
        check(done.returncode >= 0, f"m365stage died of signal {-done.returncode}: {out.told()[-2000:]}")
        return out

    def is_sanitized(self):
        """True if a sanitizer has memory of its own in m365stage's."""
        with open(self.binary, "rb") as f:
            program = f.read()
        return b"__asan_init" in program or b"__tsan_init" in program

    def check_secrets(self, text, where):
        for secret in self.secrets:
            check(secret not in text, f"a secret is in {where}: {text[:2000]}")
        # Pre-authenticated addresses, and tokens (three parts of base64 of which two are JSON).
        found = re.search(r"tempauth|downloadUrl|eyJ[A-Za-z0-9_-]{10,}\.", text)
        check(not found, f"a secret ({found and found[0]}) is in {where}: {text[:2000]}")

    def sync(self, *arguments, expect=None, **more):
        out = self.run("--json", "sync", *arguments, **more)
        if expect is not None:
            wanted = expect if isinstance(expect, tuple) else (expect,)
            check(out.exit in wanted, f"sync ended with {out.exit}, not {wanted}: {out.told()[-3000:]}")
        return out

    def finish(self, expect=2):
        """A pass over nothing: what was cut off is finished, and no more."""
        return self.sync("--only", "no such container", expect=expect)

    def database(self):
        db = sqlite3.connect(os.path.join(self.root, "index.db"), timeout=30)
        db.row_factory = sqlite3.Row
        return db

    def rows(self, statement, *parameters):
        db = self.database()
        try:
            return db.execute(statement, parameters).fetchall()
        finally:
            db.close()

    def write(self, statement, *parameters):
        db = self.database()
        try:
            with db:
                return db.execute(statement, parameters).rowcount
        finally:
            db.close()

    def hurry(self):
        """What is owed is due now, not after its pause."""
        self.write("UPDATE pending SET next_try=0")

    def snapshot(self):
        """Everything about every name in tree/ that an incremental backup could notice."""
        out = {}
        for path, facts in walk(os.path.join(self.root, "tree")):
            out[path] = (facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid, facts.st_size,
                         facts.st_mtime_ns, facts.st_ctime_ns, facts.st_nlink)
        return out

    def has_moved(self, before):
        """True if the tree is not as in that snapshot, or is changing just now."""
        try:
            return self.snapshot() != before
        except FileNotFoundError:
            return True
