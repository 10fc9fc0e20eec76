"""The REST server of a running service against schema/openapi.yaml."""

import contextlib
import json
import os
import re
import socket
import subprocess

from cases import scenario
from contract import Contract
from harness import check
from running import LocalConnection, ask, before, hook, readiness, serving, wait_until

TOKEN = "a-token-for-the-scenario-only"
JOB = "/api/v1/jobs/{job_id}/"
HERE = os.path.dirname(os.path.abspath(__file__))


class Client:
    """Asks the service, and has every answer judged."""

    def __init__(self, stage, contract, port):
        self.stage, self.contract, self.port = stage, contract, port

    def ask(self, method, path, expect, body=None, query="", headers=None, door="socket", **names):
        target = path.format(**names) + query
        fields = dict(headers or {})
        if door == "token":
            fields["Authorization"] = "Bearer " + TOKEN
        answer = ask(self.stage, method, target, body, fields, None if door == "socket" else self.port)
        check(answer.status == expect, f"{method} {target} answered {answer.status}, not {expect}: {answer.body[:500]}")
        self.contract.judge(method, path, answer, query)
        return answer.document() if answer.body and "json" in answer.headers["Content-Type"] else answer

    def pages(self, path, name, query):
        """All rows of a list, page by page."""
        rows, after = [], ""
        while True:
            page = self.ask("GET", path, 200, query=f"?limit=7{query}" + (f"&after={after}" if after else ""))
            rows += page[name]
            after = page["next"]
            if after is None:
                return rows

    def events_of_a_pass(self):
        """The first events up to the end of a pass, which is asked for once they are listened to."""
        with contextlib.closing(LocalConnection(self.stage.settings["api"]["socket"])) as c:
            c.request("GET", "/api/v1/events")
            answer = c.getresponse()
            check(answer.status == 200 and answer.headers["Content-Type"] == "text/event-stream", "no event stream")
            self.contract.seen.add(("GET", "/api/v1/events", 200))
            told = []
            while not told or told[-1] != "pass ended":
                line = answer.readline().decode()
                check(line, f"the stream ended after {told}")
                if line.startswith("data: "):
                    document = json.loads(line[6:])
                    self.contract.validate("event", document, "an event")
                    if not told:
                        self.ask("POST", "/api/v1/passes", 202, {})
                    told.append(document["what"])
            return told


def compare_routes(c):
    """The server's own account of its paths and methods is that of the document."""
    hint = ask(c.stage, "GET", "/nothing").document()["error"]["hint"]
    below, above = hint.split("below /api/v1/: ")[1], hint.split(", and below")[0]
    told = {"/api/v1/" + p for p in below.split(", ")} | set(re.findall(r"/\w*", above))
    documented = {re.sub("{.*?}", "{}", p) for p in c.contract.document["paths"]} - {"/page.css", "/page.js"}
    check(told == documented, f"documented or served alone: {told ^ documented}")
    for path, methods in c.contract.document["paths"].items():
        answer = ask(c.stage, "PATCH", path.format(job_id="1"))
        allowed = set(answer.headers["Allow"].split(", "))
        wanted = {m.upper() for m in methods} | ({"HEAD"} if "get" in methods else set())
        check(answer.status == 405 and allowed == wanted, f"{path}: {answer.status}, {allowed}, not {wanted}")
        c.contract.validate("failure", answer.document(), path)


def doors(c):
    """Every path over TCP: with another machine's name, without the token, with it, and with HEAD."""
    for method, path, operation in c.contract.operations():
        names = {"job_id": "unknown"}
        c.ask(method, path, 421, door="tcp", headers={"Host": "evil.example"}, **names)
        if operation.get("security") != []:
            c.ask(method, path, 401, door="tcp", **names)
            wrong = ask(c.stage, method, path.format(**names), None, {"Authorization": "Bearer wrong"}, c.port)
            check(wrong.status == 401, f"{path} takes a wrong token")
        if method == "GET" and path != "/api/v1/events":
            answer = ask(c.stage, "GET", path, None, {"Authorization": "Bearer " + TOKEN}, c.port)
            c.contract.judge("GET", path, answer)
            head = ask(c.stage, "HEAD", path)
            check((head.status, head.body) == (answer.status, b""), f"HEAD {path}: {head.status}, {head.body[:99]}")
    head = ask(c.stage, "HEAD", "/api/v1/events")
    check((head.status, head.body) == (200, b""), f"HEAD of the events: {head.status}, {head.body[:99]}")


def bad_requests(c):
    for method, path, operation in c.contract.operations():
        if "400" in operation["responses"]:
            if method == "GET":
                c.ask("GET", path, 400, query="?nonsense=1")
            else:
                c.ask(method, path, 400, {"nonsense": 1}, job_id="1")
                c.ask(method, path, 400, b"[", job_id="1")
    c.ask("GET", "/api/v1/items", 400, query="?after=xyz")
    c.ask("GET", "/api/v1/changes", 400, query="?newest=true&since=1")
    for what, status in (({"only": "x" * 70000}, 413), (b"{}", 415)):
        answer = ask(c.stage, "POST", "/api/v1/passes", what, {"Content-Type": "text/plain"} if status == 415 else None)
        check(answer.status == status, f"{status} expected: {answer.status}")
        c.contract.validate("failure", answer.document(), f"the answer {status}")


def same_words(c):
    """The command line and the server tell the same in the same words."""
    def lines(*command):
        return [json.loads(line) for line in c.stage.run("--json", *command).stdout.splitlines()]

    check(lines("ls") == c.pages("/api/v1/items", "items", ""), "ls and /api/v1/items differ")
    check(lines("changes", "--since", "0") == c.pages("/api/v1/changes", "changes", "&since=0"),
          "changes and /api/v1/changes differ")
    check(lines("jobs")[0] == c.ask("GET", "/api/v1/jobs", 200)["jobs"], "jobs differ")
    check(lines("lease", "list")[0] == c.ask("GET", "/api/v1/leases", 200)["leases"], "leases differ")
    held = lines("guard", "list")
    check((held[0] if held and isinstance(held[0], list) else held) == c.ask("GET", "/api/v1/guard", 200)["held"],
          "guard differs")
    told = lines("status", "--containers")[0]
    c.contract.validate("status", told, "status --json")
    served = c.ask("GET", "/api/v1/status", 200, query="?containers=true")
    differ = {key for key in told if key not in ("service", "passes") and told[key] != served.get(key)}
    check(told.keys() == served.keys() and not differ, f"status differs in {differ or told.keys() ^ served.keys()}")
    names = [x["container"] for x in c.pages("/api/v1/containers", "containers", "")]
    check(names == sorted(x["container"] for x in told["container_list"]), f"containers: {names}")


def check_metrics(c):
    text = c.ask("GET", "/metrics", 200).body.decode()
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    check(done.returncode == 0 and not done.stderr, f"promtool: {done.stdout}{done.stderr}")
    for name in ("items", "bytes", "passes_total", "owed_items", "throttled_seconds_total", "resource_units_left",
                 "last_success_timestamp_seconds", "lease_age_seconds", "disk_free_bytes", "coverage_ratio"):
        check(f"\nm365stage_{name}" in text, f"no metric m365stage_{name}")
    check('m365stage_resource_units_left{window="minute"}' in text, "no units left in a minute")


def jobs_and_leases(c, w):
    lease = {"job_id": "1", "job_name": "nightly", "level": "Full"}
    check(not c.ask("POST", "/api/v1/leases", 200, lease)["repeated"], "a first lease is no repetition")
    check(c.ask("POST", "/api/v1/leases", 200, lease)["repeated"], "the same job gets its lease again")
    same_words(c)
    c.ask("POST", JOB + "read", 204, {"status": "OK"}, job_id="1")
    c.ask("POST", JOB + "ended", 204, {"status": "OK"}, job_id="1")
    c.ask("POST", "/api/v1/leases", 200, {"job_id": "2 ü/2"})
    c.ask("DELETE", "/api/v1/leases/{job_id}", 204, job_id="2%20%C3%BC%2F2")
    c.ask("POST", JOB + "read", 409, {"status": "OK"}, job_id="2%20%C3%BC%2F2")
    for path in ("read", "ended"):
        c.ask("POST", JOB + path, 404, {"status": "OK"}, job_id="none")
    c.ask("DELETE", "/api/v1/leases/{job_id}", 404, job_id="none")


def passes_and_guard(c, w):
    c.ask("POST", "/api/v1/passes", 202, {"only": "users/*"})
    c.ask("POST", "/api/v1/passes", 200, {"wait": 60})
    c.ask("GET", "/readyz", 200)
    w.sim.fault("delay", path="/v1.0/users", delay_ms=3000, count=1)
    c.ask("POST", "/api/v1/passes", 504, {"wait": 1})
    w.sim.clear_faults()
    drive = next(i["drive"] for i in w.sim.expected() if i["type"] == "folder" and i["parent_id"])
    for item in [i for i in w.sim.expected() if i["drive"] == drive]:
        with contextlib.suppress(Exception):  # what lay in a folder went with it
            w.sim.op("delete", drive=drive, id=item["id"])
    check(c.ask("POST", "/api/v1/passes", 200, {"wait": 60})["held"] > 0, "the guard holds nothing")
    refused = c.ask("POST", "/api/v1/leases", 409, {"job_id": "3"})
    check(refused["error"]["kind"] == "guard", f"refused as {refused}")
    c.ask("GET", "/readyz", 503)
    same_words(c)
    container = c.ask("GET", "/api/v1/guard", 200)["held"][0]["container"]
    check(c.ask("POST", "/api/v1/guard/approve", 200, {"container": container})["approved"], "not approved")
    wait_until(lambda: readiness(c.stage)[0] == 200, "the approved deletions are gone")
    c.ask("POST", "/api/v1/guard/approve", 404, {"container": container})


def without_index(c, service):
    """With an index that nobody can read health and metrics answer, everything else says why it does not."""
    service.stop()
    with open(os.path.join(c.stage.root, "index.db"), "wb") as f:
        f.write(os.urandom(100000))
    for tail in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(c.stage.root, "index.db" + tail))
    service.start()
    bodies = {"takeLease": {"job_id": "9"}, "jobRead": {"status": "OK"}, "jobEnded": {"status": "OK"},
              "approveGuard": {"container": "x"}, "startPass": {"wait": 30}}
    for method, path, operation in c.contract.operations():
        if "503" in operation["responses"] and path != "/api/v1/events":
            told = c.ask(method, path, 503, bodies.get(operation["operationId"]), job_id="1")
            kinds = [told["error"]["kind"]] if "error" in told else [r["kind"] for r in told["reasons"]]
            check("index" in kinds, f"{path} does not say that it is the index: {told}")
    c.ask("GET", "/healthz", 200)
    check("m365stage_index_readable 0" in c.ask("GET", "/metrics", 200).body.decode(), "metrics hide the index")
    listening = []
    for _ in range(32):
        s = socket.socket(socket.AF_UNIX)
        s.connect(c.stage.settings["api"]["socket"])
        s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
        check(b" 200 " in s.recv(100), "a listener is refused")
        listening.append(s)
    c.ask("GET", "/api/v1/events", 503)
    for s in listening:
        s.close()


@scenario
def rest_contract(options):
    """every path and status of schema/openapi.yaml is answered by a running service as the document says"""
    with serving(options, "rest", "--users", 2, "--sites", 1, "--files-per-drive", 25, sync={"interval": "1h"},
                 limits={"sharepoint_units_per_minute": "auto", "licences": 100000}, token=TOKEN,
                 guard={"max_deleted_share": 0.2, "min_deleted_items": 5}) as (w, service):
        c = Client(w.stage, Contract(os.path.join(HERE, "../../../schema/openapi.yaml")), service.port)
        compare_routes(c)
        told = c.events_of_a_pass()
        check("begin" in told, f"the stream begins with {told[0]}")
        tag = c.ask("GET", "/", 200).headers["ETag"]
        c.ask("GET", "/", 304, headers={"If-None-Match": tag})
        passes_and_guard(c, w)
        jobs_and_leases(c, w)
        doors(c)
        bad_requests(c)
        check_metrics(c)
        before(w.stage, "4", "--max-age", "1h")
        hook(w.stage, "after-job", "--jobid", "4", "--status", "OK")
        without_index(c, service)
        missing = c.contract.documented() - c.contract.seen
        check(not missing, f"documented and never seen: {sorted(missing)}")
        return f"{len(c.contract.documented())} documented answers, all seen"
