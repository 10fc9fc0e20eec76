"""restore of contacts, tasks and mailbox settings."""

import glob
import hashlib
import json
import os
import random
import re
import subprocess
import time

import vobject

from cases import scenario
from cases.records import staged
from cases.restore import allow_restore, copy_of, restore, second_stage
from harness import World, check, check_manners, kill

# What the service sets by itself, so that no restore can bring it back (README.md lists them).
SET_BY_SERVICE = ("createdDateTime",)


def facts(stage):
    """Everything staged but for ids, and what the service sets: a sorted list."""
    out = []
    for kind in ("contacts", "tasks"):
        files, _ = staged(stage, kind)
        for (mailbox, _), (sidecar, path) in files.items():
            folder = re.sub("~[0-9a-v]{16}", "~", os.path.dirname(path))  # tags are made of ids
            item = {k: v for k, v in sidecar["item"].items() if k not in SET_BY_SERVICE}
            with open(os.path.join(stage.root, "tree/users", path), "rb") as f:
                data = f.read()
            out.append(json.dumps([mailbox, folder, item, [] if kind == "contacts" else task_rest(data)],
                                  sort_keys=True))
    return sorted(out)


def task_rest(data):
    document = json.loads(data)
    steps = sorted((c["displayName"], c["isChecked"]) for c in document["checklistItems"])
    files = sorted((a["name"], a["size"], a["contentBytes"]) for a in document["attachments"])
    return [steps, document["linkedResources"], [(n, s, hash_text(b)) for n, s, b in files]]


def hash_text(text):
    return hashlib.sha256(text.encode()).hexdigest()


def photos(stage):
    files, _ = staged(stage, "contacts")
    out = []
    for _, path in files.values():
        with open(os.path.join(stage.root, "tree/users", path), "rb") as f:
            data = f.read()
        out.append(hash_text(data[data.index(b"\r\nPHOTO"):].decode()) if b"\r\nPHOTO" in data else "")
    return sorted(out)


def wipe(w):
    """Every contact, task, folder and list is deleted."""
    lines = w.sim.get("exchange/records/expected")
    for line in lines:
        what = "contacts" if line.get("kind") == "contact" else "tasks"
        if line["what"] == "item" and line["well_known"] != "flaggedEmails":
            w.sim.post("exchange/records/op", mailbox=line["mailbox"], what=what, op="delete", id=line["id"])
    for line in reversed(lines):
        what = "contacts" if line.get("kind") == "contact" else "tasks"
        if line["what"] == "folder" and not line["well_known"]:
            w.sim.post("exchange/records/op", mailbox=line["mailbox"], what=what, op="delete_folder", folder=line["id"])


def check_equal(before, after):
    missing = [one for one in before if one not in after]
    more = [one for one in after if one not in before]
    check(before == after, f"{len(missing)} missing, {len(more)} too many after the round trip: "
          f"{[m[:700] for m in missing[:2]]} {[m[:700] for m in more[:2]]}")


def writes(w):
    return w.sim.get("requests").get("outlook_write", 0)


@scenario
def restore_records(options):
    """contacts, tasks and settings: stage, wipe, restore, stage again; the same with faults and kills"""
    dice = random.Random(options.seed)
    with World(options, "restrecords", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 2) as w:
        w.stage.configure(kinds=["mail", "contacts", "tasks"])
        allow_restore(w.stage)
        w.sim.post("auth", roles=["User.Read.All", "Mail.Read", "Mail.ReadWrite", "Contacts.ReadWrite", "Tasks.ReadWrite.All",
                                  "MailboxSettings.ReadWrite"], expire_all=True)
        large = w.sim.post("exchange/records/op", mailbox="ada", what="tasks", op="new", set={"title": "with much"})["id"]
        w.sim.post("exchange/records/op", mailbox="ada", what="tasks", op="attach", id=large, name="much.bin", size=9_000_001)
        w.sim.post("exchange/settings", feed_default_folder=True)  # as no list does, and perhaps no service
        w.stage.sync(expect=(0, 1))
        known = [path for path in glob.glob(os.path.join(w.stage.root, "tree/users/*/contacts/.m365/*.json"))
                 if json.load(open(path, encoding="utf-8"))["item"].get("wellKnownName") == "contacts"]
        check(len(known) == 3, f"default folders of contacts that are known as such: {known}")
        before, pictures = facts(w.stage), photos(w.stage)
        source = copy_of(w.stage)
        select = [a for kind in ("contacts", "tasks", "settings") for a in ("--select", f"users/*/{kind}")]
        wipe(w)
        kills = killed(w, source, select, dice)
        out = restore(w.stage, source, "--in-place", *select)
        second = second_stage_of(w, "second")
        check_equal(before, facts(second))
        check(pictures == photos(second), "photos differ")
        w.sim.forget_requests()
        restore(w.stage, source, "--in-place", *select)
        check(writes(w) == 0, f"a finished restore wrote {writes(w)} times")
        refused_photo(w, source, select)
        w.sim.post("exchange/records/op", mailbox="ada", what="contacts", op="delete_folder", folder="Friends")
        restore(w.stage, source, "--in-place", *select)
        check_equal(before, facts(second_stage_of(w, "third")))
        elsewhere(w, source)
        settings(w, source)
        replies(w)
        exported(w, source)
        check_manners(w.sim)
        return f"{kills} kills; {out.summary['kinds']}"


def second_stage_of(w, name):
    folder = os.path.join(w.folder, name)
    os.makedirs(folder)
    second = type(w.stage)(w.options.build, w.sim, folder)
    second.configure(kinds=["mail", "contacts", "tasks"])
    second.sync(expect=(0, 1))
    return second


def killed(w, source, select, dice):
    """Runs that are cut off under faults."""
    w.sim.fault("error", service="outlook", probability=0.04, seed=4, status=503)
    w.sim.fault("reset", service="outlook", probability=0.02, seed=3)
    w.sim.fault("delay", service="outlook", probability=0.5, delay_ms=15, seed=7)
    w.sim.fault("throttle", service="outlook", probability=0.005, seed=6, retry_after="absent")
    command = [w.stage.binary, "--config", w.stage.config_file, "--json", "restore", "--from", source, "--in-place",
               "--yes", *select]
    kills = 0
    for _ in range(20 * w.options.rounds):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.1 + dice.random() * 0.5)
        if process.poll() is not None:
            break
        kill(process)
        kills += 1
    w.sim.clear_faults()
    return kills


def refused_photo(w, source, select):
    """A part that was refused is told by every run, until one of them can put it back."""
    of_photos = lambda: [e["photo"] for e in w.sim.get("exchange/records/expected") if e.get("photo")]
    before = of_photos()
    box, item = next((e["mailbox"], e["id"]) for e in w.sim.get("exchange/records/expected") if e.get("photo"))
    w.sim.post("exchange/records/op", mailbox=box, what="contacts", op="delete", id=item)
    w.sim.fault("error", path="/photo/", method="PUT", status=400, count=2)
    for _ in range(2):
        out = restore(w.stage, source, "--in-place", *select, expect=1)
        left = [x["path"] for x in out.summary["left"]]
        check(len(left) == 1 and left[0].endswith("photo"), f"left: {left}")
    restore(w.stage, source, "--in-place", *select)
    check(sorted(map(str, of_photos())) == sorted(map(str, before)), "the photo is not back")


def elsewhere(w, source):
    """Into new folders of another mailbox; a second time nothing is made."""
    ada = ["--select", "users/ada@*/contacts", "--select", "users/ada@*/tasks", "--to", "users/bela@contoso.example"]
    restore(w.stage, source, *ada, "--into", "From Ada")
    w.sim.forget_requests()
    restore(w.stage, source, *ada, "--into", "From Ada")
    check(writes(w) == 0, "a restore to another place wrote again")
    lines = w.sim.get("exchange/records/expected?mailbox=bela")
    lists = {line["path"][0] for line in lines if line["what"] == "folder" and line["kind"] == "todoTask"}
    check("From Ada ada@contoso.example tasks Tasks" in lists, f"lists: {lists}")
    folders = {tuple(line["path"][1:4]) for line in lines if line["what"] == "folder" and line["kind"] == "contact"}
    check(("From Ada", "ada@contoso.example contacts", "Contacts") in folders, f"folders: {folders}")


def settings(w, source):
    """Only on request, also when it is cut off, and nothing twice; replies stay off; what is there stays."""
    told = lambda: [e for e in w.sim.get("exchange/records/expected?mailbox=ada") if e["what"] == "settings"][0]
    before = told()
    w.sim.post("exchange/records/op", mailbox="ada", op="clear_settings")
    out = restore(w.stage, source, "--in-place", "--select", "users/ada@*/settings", expect=2)
    check("only with --settings" in out.stderr, f"nothing tells what to do: {out.stderr}")
    check(not told()["rules"], "settings were restored without being asked for")
    w.sim.fault("error", service="outlook", probability=0.1, seed=4, status=503)
    w.sim.fault("reset", service="outlook", probability=0.1, seed=3)
    w.sim.fault("delay", service="outlook", probability=0.5, delay_ms=30, seed=7)
    command = [w.stage.binary, "--config", w.stage.config_file, "restore", "--from", source, "--in-place", "--yes",
               "--select", "users/ada@*/settings", "--settings"]
    for number in range(8):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        goal = w.sim.get("requests")["requests"] + 3 + number
        while process.poll() is None and w.sim.get("requests")["requests"] < goal:
            pass
        if process.poll() is not None:
            break
        kill(process)
    w.sim.clear_faults()
    restore(w.stage, source, "--in-place", "--select", "users/ada@*/settings", "--settings")
    after = told()
    names = lambda told: sorted(c["displayName"] for c in told["categories"])
    check(names(after) == names(before), f"categories: {names(after)}")
    check([r["displayName"] for r in after["rules"]] == [r["displayName"] for r in before["rules"]], f"rules: {after['rules']}")
    check(after["settings"]["timeZone"] == before["settings"]["timeZone"], f"{after['settings']}")
    check(after["settings"]["automaticRepliesSetting"]["status"] == "disabled", "replies were switched on")


def replies(w):
    """Automatic replies are reported when a restore leaves them otherwise than they were staged, and only then."""
    away = {"status": "alwaysEnabled", "internalReplyMessage": "I am away."}
    set_them = lambda **more: w.sim.post("exchange/records/op", mailbox="ada", op="set_settings",
                                         set={"automaticRepliesSetting": {**away, **more}})
    set_them()
    w.stage.sync(expect=(0, 1))
    source = copy_of(w.stage, "with replies")

    def told(expect):
        out = restore(w.stage, source, "--in-place", "--select", "users/ada@*/settings/", "--settings", expect=expect)
        return [left["reason"] for left in out.summary["left"] if left["path"].endswith("\nautomatic replies")]

    check(told(0) == [], "replies that are as they were are reported")
    set_them(internalReplyMessage="Back on Monday.")
    check(["stay as they are" in reason for reason in told(1)] == [True], "somebody's replies of today")
    set_them(status="disabled", internalReplyMessage="")
    check(["are off now" in reason for reason in told(1)] == [True], "replies that are off now")
    have = [e for e in w.sim.get("exchange/records/expected?mailbox=ada") if e["what"] == "settings"][0]
    have = have["settings"]["automaticRepliesSetting"]
    check((have["status"], have["internalReplyMessage"]) == ("disabled", "I am away."), f"replies: {have}")


def exported(w, source):
    target = os.path.join(w.folder, "plain")
    out = w.stage.run("--json", "export", "--from", source, "--to", target, "--select", "users/ada@*/contacts")
    check(out.exit == 0, f"export: {out.told()}")
    cards = os.path.join(target, "users/ada@contoso.example/contacts/Contacts.vcf")
    with open(cards, encoding="utf-8") as f:
        names = [card.fn.value for card in vobject.readComponents(f.read(), allowQP=False)]
    files, _ = staged(w.stage, "contacts")
    wanted = [s for (m, _), (s, p) in files.items()
              if m.startswith("ada@") and os.path.dirname(p) == "ada@contoso.example/contacts/Contacts"]
    check(len(names) == len(wanted), f"export: {len(names)} cards, not {len(wanted)}")
