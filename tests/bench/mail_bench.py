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
import os
import shutil
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
        super().__init__(build, folder, ["--users", str(mailboxes), "--messages-per-mailbox", str(messages),
                                         "--message-size", str(size)])

    def messages(self):
        return [o for o in self.lines("exchange/expected?hashes=0&mailbox=all")
                if o["type"] == "message" and not o["recoverable"]]

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
        tenant = MailTenant(build, folder, mailboxes, messages if seeded else 0, size)
        items = sum(m["messages"] - m["recoverable"] for m in tenant.admin("exchange/tenant")["mailboxes"])
        super().__init__(build, folder, tenant, items, size,
                         {"kinds": ["mail"], "limits": {"mailbox_requests_per_10min": "unlimited"}})
        self.mailboxes, self.messages = mailboxes, messages

    def asked(self):
        """Connections and headers with which others fetch the same MIME."""
        return (min(CONCURRENCY, self.mailboxes * A_MAILBOX),
                ["Prefer: IdType=\"ImmutableId\"", "Authorization: Bearer " + self.tenant.token["access_token"]])


def first(b, options):
    ours = b.items / b.sync("m365stage, first pass", b.items, b.size)[0]
    bench.compare(ours, b.wrk(options.wrk_seconds, *b.asked()), b.floor(*b.asked()))


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
