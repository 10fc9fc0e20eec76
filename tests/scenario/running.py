"""`m365stage serve` as a process, its hook, and its API as a client sees it."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import time

from harness import World, check, kill

LONGEST_LINE = 120  # Bareos cuts at 127 bytes


class Service:
    """`m365stage serve` on the stage of a world."""

    def __init__(self, world, environment=None):
        self.stage = world.stage
        self.log_file = os.path.join(world.folder, "serve.log")
        self.environment = {**os.environ, **(environment or {})}
        self.start()

    def start(self):
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                [self.stage.binary, "--config", self.stage.config_file, "serve"], stderr=log, env=self.environment
            )
        wait_until(lambda: self.answers() or self.process.poll() is not None, "the service answers")
        check(self.process.poll() is None, f"the service does not start: {self.log()[-1000:]}")

    def answers(self):
        with socket.socket(socket.AF_UNIX) as s:
            try:
                s.connect(self.stage.settings["api"]["socket"])
            except OSError:
                return False
        return True

    def log(self):
        with open(self.log_file, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        """SIGTERM; how long it took to end."""
        began = time.monotonic()
        self.process.terminate()
        code = self.process.wait(30)
        check(code == 0, f"SIGTERM ended it with {code}: {self.log()[-2000:]}")
        return time.monotonic() - began


def wait_until(condition, what, longest=30):
    until = time.monotonic() + longest
    while not condition():
        check(time.monotonic() < until, f"not within {longest} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write_secret(folder, name, text):
    """A file that its owner alone may read; its path."""
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text + "\n")
    return path


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Answer:
    def __init__(self, answer, body):
        self.status, self.headers, self.body = answer.status, answer.headers, body

    def document(self):
        return json.loads(self.body)


def ask(stage, method, target, body=None, headers=None, port=None):
    """One request on the socket, or on 127.0.0.1:port."""
    to = http.client.HTTPConnection("127.0.0.1", port, timeout=60) if port else LocalConnection(
        stage.settings["api"]["socket"])
    with contextlib.closing(to):
        fields = dict(headers or {})
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            fields.setdefault("Content-Type", "application/json")
        to.request(method, target, data, fields)
        answer = to.getresponse()
        return Answer(answer, answer.read())


def readiness(stage):
    """(status, kinds of the reasons)"""
    answer = ask(stage, "GET", "/readyz")
    return answer.status, [r["kind"] for r in answer.document()["reasons"]]


def metric(stage, name):
    """The value of a metric without labels, or the sum over its labels; None: it is not there."""
    values = [float(line.rsplit(" ", 1)[1]) for line in ask(stage, "GET", "/metrics").body.decode().splitlines()
              if line.split("{")[0].split(" ")[0] == name]
    return sum(values) if values else None


@contextlib.contextmanager
def serving(options, name, *arguments, environment=None, token=None, sync=None, **settings):
    """A world whose stage is served; passes begin every second unless `sync` says otherwise. With a token also on
    the TCP port `service.port`."""
    with World(options, name, "--seed", options.seed, *arguments) as w:
        port = free_port()
        api = {"socket": os.path.join(w.folder, "api.sock")}
        if token:
            api |= {"listen": f"127.0.0.1:{port}", "token_file": write_secret(w.folder, "token", token)}
        w.stage.configure(api=api, sync={"interval": "1s", **(sync or {})}, **settings)
        service = Service(w, environment)
        service.port = port
        try:
            yield w, service
        finally:
            if service.process.poll() is None:
                kill(service.process)
            w.stage.check_secrets(service.log(), "the service's log")


def hook(stage, *arguments, expect=0):
    out = stage.run("hook", *arguments)
    check(out.exit == expect, f"hook {arguments} ended with {out.exit}, not {expect}: {out.told()}")
    for line in out.stdout.splitlines():
        check(len(line) <= LONGEST_LINE and line.isascii(), f"no line for a job log: {line}")
    if expect:
        lines = out.told().splitlines()
        check("..." not in lines[-1] or len(lines) == 1, f"it is cut off what to do: {out.told()}")
        check(len(lines) <= 2, f"a refusal is a line, and one for what to do: {out.told()}")
    return out


def before(stage, job, *more, expect=0):
    return hook(stage, "before-job", "--job", "nightly", "--jobid", job, "--level", "Full", *more, expect=expect)


def passes(stage):
    return stage.rows("SELECT count(*) FROM pass WHERE finished_at IS NOT NULL")[0][0]


def wait_for_passes(stage, count=2):
    begun = passes(stage)
    wait_until(lambda: passes(stage) >= begun + count, f"{count} more passes")
