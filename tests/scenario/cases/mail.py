"""Mailboxes: messages and folders against what the tenant holds."""

import hashlib
import json
import os
import random

from cases import scenario
from harness import World, check, check_manners, check_same_tree


def staged_messages(stage):
    """(mailbox, id): sidecar and path of each staged message."""
    users = os.path.join(stage.root, "tree/users")
    out = {}
    for folder, _, files in os.walk(users):
        if os.path.basename(folder) != ".m365":
            continue
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                sidecar = json.load(f)
            if sidecar["kind"] == "mail" and sidecar["type"] == "file":
                path = os.path.join(os.path.dirname(folder), name.removesuffix(".json"))
                out[os.path.relpath(path, users).split("/")[0], sidecar["id"]] = sidecar, path
    return out


def differences(w):
    """What differs between tree and tenant, messages that the tenant can't serve left out: a line each."""
    lines = w.sim.ask("GET", "exchange/expected?mailbox=all&hashes=1").splitlines()
    want = {(e["mailbox"]["address"], e["id"]): e for e in map(json.loads, lines)
            if e["type"] == "message" and not e["recoverable"] and not e["wrong"] and e["mailbox"]["kind"] == "user"}
    check(want, "the tenant has no mail: nothing would be compared")
    have = staged_messages(w.stage)
    found = [f"missing: {want[key]['path']} {key}" for key in want.keys() - have.keys()]
    found += [f"gone, but in the tree: {have[key][1]}" for key in have.keys() - want.keys()]
    for key in want.keys() & have.keys():
        message, (sidecar, path) = want[key], have[key]
        with open(path, "rb") as f:
            mime = hashlib.sha256(f.read()).hexdigest()
        item = sidecar["item"]
        pairs = {"mime": (mime, message["mime_sha256"]), "read": (item.get("isRead"), message["read"]),
                 "flag": (item.get("flag", {}).get("flagStatus"), message["flag"]),
                 "categories": (item.get("categories"), message["categories"]),
                 "month": (os.path.basename(os.path.dirname(path)).split("~")[0], message["received"][:7])}
        found += [f"{path}: {name} is {a!r}, not {b!r}" for name, (a, b) in pairs.items() if a != b]
    return len(want), found


def sync_until_equal(w):
    """A change in the middle of a round may need the round after it."""
    for _ in range(3):
        w.stage.hurry()
        w.stage.sync(expect=(0, 1))
        messages, found = differences(w)
        if not found:
            return messages
    check(False, f"tree and tenant differ: {found[:8]}")


@scenario
def mail(options):
    """mailboxes under random changes and lost cursors: every message compared, unchanged ones not touched"""
    dice = random.Random(options.seed)
    batches = 10 * options.rounds
    with World(options, "mail", "--seed", dice.randrange(1, 10**6), "--users", 3, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 40) as w:
        w.stage.configure(kinds=["mail"])
        w.stage.sync(expect=(0, 1))
        for batch in range(batches):
            w.sim.post("exchange/change", seed=dice.randrange(10**9), count=40)
            if batch % 5 == 4:
                w.sim.fault("resync", probability=0.3, seed=dice.randrange(10**6))
                w.stage.sync(expect=(0, 1))
                w.sim.clear_faults()  # while they last, no number of passes is enough for certain
            messages = sync_until_equal(w)
        before = w.stage.snapshot()
        w.stage.sync(expect=(0, 1))
        check_same_tree(before, w.stage.snapshot())
        verified = w.stage.run("verify")
        check(verified.exit == 0, f"verify: {verified.told()[-1500:]}")
        check_manners(w.sim)
    return f"{batches} batches, {messages} messages at the end"
