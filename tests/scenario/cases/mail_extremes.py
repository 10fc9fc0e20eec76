"""Mailboxes at the edge: very large messages, very deep folders, none at all, and mailboxes that go and come back."""

import contextlib
import hashlib
import json
import os
import subprocess
import time

from cases import scenario
from cases.mail import differences, staged_messages, sync_until_equal
from cases.restore import allow_restore, copy_of
from harness import World, check, check_index, check_manners, check_quiet, check_spool

MOST_MIB = 96
ODD = ["a/b", "..", "x" * 255, "Ä" * 200, "bell\u0007", " blank ", ".m365", "con:"]


def mailboxes(options, name, *more):
    return World(options, name, "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0, "--specials", 0,
                 "--messages-per-mailbox", 20, *more)


def op(w, what, mailbox="ada", **more):
    return w.sim.post("exchange/op", op=what, mailbox=mailbox, **more)


def lines(w, mailbox="ada"):
    told = w.sim.ask("GET", f"exchange/expected?mailbox={mailbox}&hashes=1").splitlines()
    return [json.loads(line) for line in told]


def within_memory(stage, *arguments):
    """Runs m365stage to its end and judges the most memory that it had, unless a sanitizer has its own in it."""
    with open(os.path.join(stage.folder, "out"), "w+b") as out:
        process = subprocess.Popen([stage.binary, "--config", stage.config_file, *arguments], stdout=out, stderr=out)
        peak = 0
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            with contextlib.suppress(OSError), open(f"/proc/{process.pid}/status", encoding="ascii") as status:
                peak = max([peak] + [int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM:")])
            time.sleep(0.01)  # between two looks; nothing waits for it
        out.seek(0)
        told = out.read().decode(errors="replace")
    check(process.wait() in (0, 1), f"{arguments} ended with {process.returncode}: {told[-2000:]}")
    check(peak < MOST_MIB or stage.is_sanitized(), f"{arguments[0]} took {peak} MiB")
    return peak


def large_message(w):
    op(w, "new_message", folder="inbox", own=True, set={"subject": "Very large"}, received=1_760_000_000,
       attachments=[{"name": "large.bin", "size": 112 << 20, "seed": 7}])
    return next(m for m in lines(w) if m["type"] == "message" and m["subject"] == "Very large")


@scenario
def mail_large(options):
    """a message of 150 MiB of MIME: staged, exported and restored in the memory that any other takes"""
    with mailboxes(options, "maillarge") as w:
        w.stage.configure(kinds=["mail"])
        large = large_message(w)
        check(large["mime_size"] > 150 << 20, f"only {large['mime_size']} bytes of MIME")
        peaks = [within_memory(w.stage, "sync")]
        messages, found = differences(w)
        check(not found, f"tree and tenant differ: {found[:5]}")
        _, path = staged_messages(w.stage)["ada@contoso.example", large["id"]]
        source = copy_of(w.stage, os.path.join(w.folder, "restored"))
        target = os.path.join(w.folder, "exported")
        peaks.append(within_memory(w.stage, "export", "--from", source, "--to", target))
        name = os.path.basename(path)
        copies = [os.path.join(folder, name) for folder, _, names in os.walk(target) if name in names]
        check(len(copies) == 1, f"{name} was exported {len(copies)} times")
        with open(copies[0], "rb") as f:
            check(hashlib.file_digest(f, "sha256").hexdigest() == large["mime_sha256"], "the export has other bytes")
        op(w, "purge", message=large["id"])
        allow_restore(w.stage)
        peaks.append(within_memory(w.stage, "restore", "--yes", "--from", source, "--select", "users/ada@*/mail", "--in-place"))
        back = [m for m in lines(w) if m["type"] == "message" and m["subject"] == "Very large"]
        have = [[(a["name"], a["size"], a["sha256"]) for a in m["attachments"]] for m in back]
        want = [[(a["name"], a["size"], a["sha256"]) for a in large["attachments"]]]
        check(have == want, f"what came back is {have}, not {want}")
        check_manners(w.sim)
    return f"{messages} messages; sync, export, restore: {peaks} MiB"


@scenario
def mail_deep(options):
    """folders nested 50 deep with odd names: moving them all is a rename, and a message is one item in two folders"""
    with mailboxes(options, "maildeep") as w:
        w.stage.configure(kinds=["mail"])
        parent, folders = "msgfolderroot", []
        for level in range(50):
            parent = op(w, "new_folder", parent=parent, name=ODD[level % len(ODD)])["folder"]
            folders.append(parent)
            op(w, "new_message", folder=parent, size=1000, seed=level)
        w.stage.sync(expect=(0, 1))
        sync_until_equal(w)
        check_index(w.stage)
        before = {key: os.stat(path).st_ino for key, (_, path) in staged_messages(w.stage).items()}
        w.sim.forget_requests()
        op(w, "rename_folder", folder=folders[0], name="x" * 300)
        op(w, "move_folder", folder=folders[25], to="inbox")
        # Copies of one message share its Message-ID; a message that moves while it is listed is in two feeds at once.
        twin = {"subject": "Twin", "internetMessageId": "<twin@contoso.example>"}
        for folder in (folders[3], folders[40]):
            op(w, "new_message", folder=folder, own=True, set=twin)
        sync_until_equal(w)
        after = {key: os.stat(path).st_ino for key, (_, path) in staged_messages(w.stage).items()}
        check(before.items() <= after.items() and len(after) == len(before) + 2, "moved messages were made anew")
        check(sum(w.sim.downloads().values()) == 2, f"downloads: {w.sim.downloads()}")
        w.sim.post("exchange/settings", page_max=3)
        w.sim.fault("mutate_between_pages", service="outlook", path="messages", probability=0.5, seed=options.seed)
        op(w, "forget_sync_state")
        w.stage.sync(expect=(0, 1))
        w.sim.clear_faults()
        sync_until_equal(w)
        check_index(w.stage)
        check_manners(w.sim)
    return ""


@scenario
def mailbox_away(options):
    """a mailbox that is gone for a while and comes back: its files stay, and nothing is downloaded again"""
    with mailboxes(options, "mailaway") as w:
        w.stage.configure(kinds=["mail", "contacts", "tasks", "calendar"])
        w.stage.sync(expect=(0, 1))
        tree = lambda: {p: f for p, f in w.stage.snapshot().items() if not p.startswith(b".m365stage")}
        before = tree()
        ada = next(b for b in w.sim.get("exchange/tenant")["mailboxes"] if b["address"].startswith("ada"))["owner_id"]
        w.sim.fault("error", service="outlook", path=f"/users/{ada}/", status=404, code="MailboxNotEnabledForRESTAPI",
                    message="The mailbox is either inactive, soft-deleted, or is hosted on-premise.", count=-1)
        for _ in range(3):
            w.stage.sync(expect=(0, 1))
            check(tree() == before, "files of a mailbox that is not there were touched")
        states = lambda: {r["kind"]: r["state"] for r in w.stage.rows(
            "SELECT kind, state FROM container WHERE owner_id=?", ada)}
        check(set(states().values()) == {"departed"}, f"it is not taken for gone: {states()}")
        w.sim.clear_faults()
        w.sim.forget_requests()
        for _ in range(2):  # departed containers are found by the first, and followed by the second at the latest
            w.stage.sync(expect=(0, 1))
        check(set(states().values()) == {"active"}, f"it did not come back: {states()}")
        check(tree() == before and not w.sim.downloads(), "what was there was fetched or placed again")
        w.sim.post("exchange/change", seed=options.seed, count=20, mailbox="ada")
        sync_until_equal(w)
        check_index(w.stage)
        check_spool(w.stage)
        check_manners(w.sim)
    return ""


@scenario
def month_folders(options):
    """somebody's folders are called as the months are that messages are sorted into: both have a place"""
    with mailboxes(options, "months") as w:
        w.stage.configure(kinds=["mail"])
        tops = [e["id"] for e in lines(w) if e["type"] == "mail_folder" and len(e["path"]) == 1]
        w.stage.sync(expect=(0, 1))
        october = {2025: 1_760_000_000, 2024: 1_728_464_000}

        def folders(year):
            for n, folder in enumerate(tops):
                made = op(w, "new_folder", parent=folder, name=f"{year}-10")["folder"]
                op(w, "new_message", folder=made, size=1000, seed=n + year)
            sync_until_equal(w)

        def messages(year):
            for n, folder in enumerate(tops):
                op(w, "new_message", folder=folder, size=1000, seed=n, received=october[year])
            sync_until_equal(w)

        folders(2025)
        messages(2025)
        messages(2024)
        folders(2024)
        check_quiet(w.stage)
        check_index(w.stage)
        check_manners(w.sim)
    return f"{len(tops)} folders"


@scenario
def mailbox_empty(options):
    """a mailbox without a single folder is staged as that, and its first folder is found"""
    with mailboxes(options, "mailempty") as w:
        w.stage.configure(kinds=["mail"])
        tops = [e for e in lines(w) if e["type"] == "mail_folder" and len(e["path"]) == 1]
        for folder in tops:
            op(w, "purge_folder", folder=folder["id"])
        w.stage.sync(expect=(0, 1))
        mail = os.path.join(w.stage.root, "tree/users/ada@contoso.example/mail")
        check(os.path.isdir(mail) and os.listdir(mail) == [], f"{os.listdir(mail)} is in an empty mailbox")
        check_quiet(w.stage)
        op(w, "new_folder", parent="msgfolderroot", name="First")
        op(w, "new_message", folder="First", size=1000, seed=1)
        sync_until_equal(w)
        check_index(w.stage)
        check_manners(w.sim)
    return ""
