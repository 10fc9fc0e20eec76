#!/usr/bin/env python3
"""Measures m365stage over mailboxes of m365sim, beside wrk on the same MIME.

    mail_bench.py [--case first|limits|unchanged|million|folder|move ...] [--mailboxes N] [--messages N] [--bytes N] [--build DIR]

first      a first pass; wrk says what the server could give for the same messages
limits     the published limits of Exchange, windows shortened: share of the allowed rate used, requests refused
unchanged  a first pass, then one over nothing new: requests per mailbox
million    the same over a million messages: memory
folder     the same over one folder with all messages in it
move       every message of one folder goes to another one: nothing is downloaded

Lines as those of bench.py. Standard library; wrk if it is installed.
"""
import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile

import bench

CONCURRENCY, A_MAILBOX = 32, 4  # of m365stage: sync.concurrency and limits.mailbox_concurrency

# case: (mailboxes, messages of each, bytes of each)
CASES = {"first": (50, 1000, 50_000), "limits": (8, 400, 8_000), "unchanged": (1000, 20, 2_000),
         "million": (1000, 1000, 1_000),
         "folder": (1, 100_000, 1_000), "move": (1, 10_000, 2_000)}


class MailTenant(bench.Tenant):
    """A running m365sim with so many mailboxes."""

    def __init__(self, build, folder, mailboxes, messages, size):
        self.folder = folder
        ready = os.path.join(folder, "sim.json")
        with open(ready, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(
                [os.path.join(build, "tests/simulator/m365sim"), "--dir", os.path.join(folder, "sim"),
                 "--users", str(mailboxes), "--sites", "0", "--groups", "0", "--specials", "0",
                 "--files-per-drive", "0", "--messages-per-mailbox", str(messages), "--message-size", str(size)],
                stdout=out, stderr=subprocess.DEVNULL)
        try:
            self.facts = self.wait_ready(ready)
            self.tls = bench.ssl.create_default_context(cafile=self.facts["ca_file"])
            self.drive = None
            self.token = self.admin("token", {"lifetime": 864000})
        except BaseException:
            self.stop()
            raise

    def messages(self):
        url = f"{self.facts['admin']}/exchange/expected?hashes=0&mailbox=all"
        with bench.urllib.request.urlopen(url, context=self.tls, timeout=300) as answer:
            return [o for o in map(json.loads, answer) if o["type"] == "message" and not o["recoverable"]]

    def download_paths(self, target):
        """Mailboxes in turn: so many requests one after another never are too many for one of them."""
        paths = {}
        for m in self.messages():
            paths.setdefault(m["mailbox"]["id"], []).append(f"/v1.0/users/{m['mailbox']['id']}/messages/{m['id']}/$value\n")
        with open(target, "w", encoding="utf-8") as out:
            for turn in itertools.zip_longest(*paths.values()):
                out.writelines(filter(None, turn))
        return self.facts["graph"]


class MailBench(bench.Bench):
    def __init__(self, build, folder, mailboxes, messages, size, seeded=True):
        self.build, self.folder, self.size, self.messages = build, folder, size, messages
        self.tenant = MailTenant(build, folder, mailboxes, messages if seeded else 0, size)
        self.config = os.path.join(folder, "config.yaml")
        self.mailboxes = mailboxes
        self.items = sum(m["messages"] - m["recoverable"] for m in self.tenant.admin("exchange/tenant")["mailboxes"])
        facts = self.tenant.facts
        config = {
            "tenant": {"id": facts["tenant"]},
            "app": {"client_id": facts["client_id"], "client_secret_file": facts["client_secret_file"]},
            "limits": {"mailbox_requests_per_10min": "unlimited"},
            "endpoints": {"login": facts["login"], "graph": facts["graph"], "ca_file": facts["ca_file"]},
            "stage": {"root": os.path.join(folder, "stage"), "min_free_bytes": 0},
            "kinds": ["mail"],
        }
        with open(self.config, "w", encoding="utf-8") as out:
            json.dump(config, out)  # JSON is YAML
        os.chmod(self.config, 0o600)

    def wrk(self, seconds):
        if not shutil.which("wrk"):
            return None
        paths, script = os.path.join(self.folder, "paths"), os.path.join(self.folder, "wrk.lua")
        origin = self.tenant.download_paths(paths)
        with open(script, "w", encoding="utf-8") as out:
            out.write(bench.WRK_SCRIPT)
        connections = min(CONCURRENCY, self.mailboxes * A_MAILBOX)
        done = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, "-H", "Prefer: IdType=\"ImmutableId\"",
             "-H", "Authorization: Bearer " + self.tenant.token["access_token"], origin],
            check=True, capture_output=True, text=True, env={**os.environ, "BENCH_PATHS": paths})
        if "Non-2xx" in done.stdout:
            raise SystemExit("bench: wrk was refused\n" + done.stdout)
        rate = float(done.stdout.split("Requests/sec:")[1].split()[0])
        bench.show("wrk", seconds, int(rate * seconds), int(rate * seconds) * self.size, None, None, None)
        return rate


def first(b, options):
    ours = b.items / b.sync("m365stage, first pass", b.items, b.size)[0]
    best = b.wrk(options.wrk_seconds)
    if best:
        print(f"m365stage reaches {ours / best:.2f} of wrk")


def limits(b, options):
    window = options.window
    allowed = 10_000 * window / 600
    b.tenant.admin("exchange/limits", {"concurrency": 4, "requests": int(allowed), "window_seconds": window})
    seconds = b.sync("m365stage, limited", b.items, b.size)[0]
    told = b.tenant.admin("exchange/limits")
    refused = sum(n for name, n in told["sum"].items() if name.startswith("refused"))
    rate = told["sum"]["allowed"] / b.mailboxes / seconds
    print(f"{refused} of {told['sum']['allowed'] + refused} requests refused; "
          f"{rate / (allowed / window):.2f} of the allowed rate of each mailbox")


def unchanged(b, _):
    b.sync("m365stage, first pass", b.items, b.size)
    before = b.tenant.requests()
    b.sync("m365stage, nothing new", b.items, 0)
    print(f"{(b.tenant.requests() - before) / b.mailboxes:.1f} requests per mailbox")


million = unchanged


def folder(b, options):
    mailbox = b.tenant.admin("exchange/tenant")["mailboxes"][0]["address"]
    b.tenant.admin("exchange/bulk", {"mailbox": mailbox, "folder": "inbox", "messages": b.messages,
                                     "message_size": b.size, "seed": 1})
    b.items = b.messages
    unchanged(b, options)


def move(b, _):
    b.sync("m365stage, first pass", b.items, b.size)
    for m in b.tenant.messages():
        if m["path"] == ["Inbox"]:
            b.tenant.admin("exchange/op", {"op": "move", "mailbox": m["mailbox"]["address"], "message": m["id"],
                                           "to": "archive"})
    b.tenant.admin("requests/reset")
    b.sync("m365stage, moved", b.items, 0)
    print(f"{len(b.tenant.admin('downloads') or {})} downloads")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--mailboxes", type=int)
    parser.add_argument("--messages", type=int)
    parser.add_argument("--bytes", type=int)
    parser.add_argument("--build", default=os.path.join(bench.HERE, "../../build"))
    parser.add_argument("--wrk-seconds", type=int, default=5)
    parser.add_argument("--window", type=int, default=20, help="limits: seconds of a window")
    options = parser.parse_args()
    for case in options.case or ["first"]:
        wanted = (options.mailboxes, options.messages, options.bytes)
        mailboxes, messages, size = (own if own is not None else usual for own, usual in zip(wanted, CASES[case]))
        bench.title(case, f"{mailboxes:,} mailboxes of {messages:,} messages of {size:,} bytes")
        at = tempfile.mkdtemp(prefix="m365bench.")
        b = None
        try:
            b = MailBench(options.build, at, mailboxes, messages, size, case != "folder")
            globals()[case](b, options)
        finally:
            if b:
                b.stop()
            shutil.rmtree(at, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
