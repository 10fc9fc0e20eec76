#!/usr/bin/env python3
"""Measures m365stage over a tenant of many people with little in each: what grows with the number of containers.

    tenant_bench.py [--users N] [--build DIR]

Each has a OneDrive, mail, calendars, contacts, tasks and settings. A first pass, one over nothing new, then the commands
that look at everything, and a restore's plan for one of them. Lines as those of bench.py. Standard library.
"""
import argparse
import os
import shutil
import tempfile

import bench

KINDS = ["onedrive", "mail", "calendar", "contacts", "tasks"]
UNLIMITED = {"sharepoint_units_per_minute": "unlimited", "mailbox_requests_per_10min": "unlimited"}


def tenant_of(build, folder, users):
    return bench.Tenant(build, folder, [
        "--users", str(users), "--files-per-drive", "2", "--file-size-max", "2000", "--messages-per-mailbox", "2",
        "--events-per-calendar", "1"])


def measure(b, users):
    def command(name, *words):
        b.measured(name, [b.binary, "--config", b.config, *words], users, 0)

    b.sync("m365stage, first pass", users, 0)
    before = b.tenant.requests()
    b.sync("m365stage, nothing new", users, 0)
    asked = b.tenant.requests() - before
    for words in (["status"], ["ls"], ["verify"], ["index", "rebuild"]):
        command("m365stage, " + " ".join(words).removeprefix("--"), *words)
    tree = os.path.join(b.folder, "stage/tree")
    one = sorted(os.listdir(os.path.join(tree, "users")))[users // 2]
    command("m365stage, restore of one", "restore", "--from", tree, "--select", f"users/{one}/onedrive", "--in-place", "--dry-run")
    print(f"{asked / users:.1f} requests for each of {users:,} people with nothing new")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=4000)
    parser.add_argument("--build", default=os.path.join(bench.HERE, "../../build"))
    options = parser.parse_args()
    bench.title("tenant", f"{options.users:,} people; an item is all that one of them has")
    at = tempfile.mkdtemp(prefix="m365bench.")
    b = None
    try:
        b = bench.Bench(options.build, at, tenant_of(options.build, at, options.users), options.users, 0,
                        {"kinds": KINDS, "limits": UNLIMITED})
        measure(b, options.users)
    finally:
        if b:
            b.stop()
        shutil.rmtree(at, ignore_errors=True)


if __name__ == "__main__":
    main()
