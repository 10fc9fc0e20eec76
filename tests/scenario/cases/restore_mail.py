"""restore and export of mail: from the tree alone back into mailboxes."""

import json
import mailbox
import os
import random
import shutil
import subprocess
import time

from cases import scenario
from cases.restore import allow_restore, copy_of, report_of, restore
from harness import Stage, World, check, check_manners, kill, sidecar_path

LARGE = [{"name": "large.bin", "size": 5_000_000, "seed": 5}, {"name": "larger.zip", "size": 12_000_000, "seed": 6}]
NESTED = [{"kind": "item", "name": "Inside", "item": {
    "@odata.type": "#microsoft.graph.message", "subject": "Inside", "internetMessageId": "<inside@nested.example>",
    "sentDateTime": "2026-01-02T03:04:05Z", "body": {"contentType": "text", "content": "a message in a message"},
    "from": {"emailAddress": {"name": "Ünal", "address": "unal@fabrikam.example"}}, "toRecipients": []}}]
# What a restore can't bring back (lib/README.md, n): a link has no bytes, a meeting request becomes a message.
LOST = ("reference", "meeting")


def op(w, what, box="ada", **more):
    return w.sim.post("exchange/op", op=what, mailbox=box, **more)


def furnish(w):
    """What seeded mailboxes do not have."""
    ids = {}
    for name, parent in (("Projects / 2026", "msgfolderroot"), ("n" * 300, "msgfolderroot"), ("Übung", "inbox"),
                         ("Deep", "Übung"), ("2026-01", "msgfolderroot"), ("Kept quiet", "msgfolderroot")):
        ids[name] = op(w, "new_folder", name=name, parent=ids.get(parent, parent), hidden=name == "Kept quiet")["folder"]
    own = {"folder": ids["Projects / 2026"], "own": True}
    op(w, "new_message", **own, attachments=LARGE, received=1_760_000_000, set={"subject": "Large ones"})
    op(w, "new_message", **own, attachments=NESTED, received=1_760_000_100, set={"subject": "Nested"})
    op(w, "new_message", **own, draft=True, set={"subject": "A draft", "toRecipients": [
        {"emailAddress": {"name": "Bela", "address": "bela@contoso.example"}}]})
    op(w, "new_message", **own, read=False, received=1_700_000_000, set={
        "subject": "bell\u0007 and tab\t", "importance": "high", "categories": ["Red category", "Ü"],
        "from": {"emailAddress": {"name": "Eve \"E\"", "address": "eve@fabrikam.example"}},
        "bccRecipients": [{"emailAddress": {"name": "Blind", "address": "blind@fabrikam.example"}}],
        "replyTo": [{"emailAddress": {"name": "nobody", "address": "not an address"}}],
        "body": {"contentType": "html", "content": "<p>Grüße</p>"}})
    twin = {"subject": "Twins", "internetMessageId": "<twin@contoso.example>", "body": {"contentType": "text", "content": "x"}}
    for folder in ("Deep", "Deep", "Kept quiet", "n" * 300, "2026-01"):
        op(w, "new_message", folder=ids[folder], own=True, received=1_690_000_000, set=twin)


def lines(w, box=None):
    out = [json.loads(line) for line in w.sim.ask("GET", "exchange/expected?mailbox=all&hashes=1").splitlines()]
    return [e for e in out if e["mailbox"]["kind"] == "user" and not e["recoverable"] and
            (box is None or e["mailbox"]["address"].startswith(box + "@"))]


def attachment_facts(a):
    if a["kind"] == "item":
        return "item", a["name"], a["item"].get("subject"), a["item"].get("internetMessageId")
    return "file", a["name"], a["content_type"], a["inline"], a["content_id"], a.get("size"), a.get("sha256")


def clean(text):
    return "".join(c for c in text if c >= " " or c in "\t\r\n").replace("\r\n", "\n").rstrip("\n")


def facts_of(e):
    """What of a message has to come back; a text in place of the rest where something can't (LOST)."""
    lost = [LOST[0]] if any(a["kind"] == "reference" for a in e["attachments"]) else []
    files = sorted(map(str, (attachment_facts(a) for a in e["attachments"] if a["kind"] != "reference")))
    reply = ("subject", "from", "to", "cc", "bcc", "received", "sent", "read", "draft", "flag", "categories", "importance",
             "internet_id", "body_type")
    out = {key: clean(e[key]) if key == "subject" else e[key] for key in reply}
    out.update(path=path_of(e), body=clean(e["body"]), attachments=files)
    return out, lost


def path_of(e):
    """Two folders of one name, which mailboxes have, can't be made again: the second one gets another name."""
    return [name.removesuffix(" (restored)") for name in e["path"]]


def tenant_facts(w, box=None):
    messages, folders = {}, set()
    for e in lines(w, box):
        address = e["mailbox"]["address"]
        if e["type"] == "mail_folder":
            if not e["search"]:
                folders.add((address, "\0".join(path_of(e)), e["hidden"]))
        elif not e["wrong"]:
            facts, _ = facts_of(e)
            messages.setdefault((address, e["internet_id"], "\0".join(path_of(e))), []).append(facts)
    for group in messages.values():
        group.sort(key=lambda f: json.dumps(f, sort_keys=True))
    return folders, messages


def wipe(w):
    """Every message and every folder of somebody's own."""
    for e in lines(w):
        if e["type"] == "message":
            op(w, "purge", box=e["mailbox"]["address"], message=e["id"])
    for e in sorted(lines(w), key=lambda e: -len(e["path"])):
        if e["type"] == "mail_folder" and not e["well_known"] and not e["search"]:
            op(w, "purge_folder", box=e["mailbox"]["address"], folder=e["id"])


def without_invitations(group):
    """A meeting request comes back as a message that has the invitation as a file."""
    return [dict(f, attachments=[a for a in f["attachments"] if "'invite.ics'" not in a]) for f in group]


def check_tenant(before, after):
    check(before[0] <= after[0], f"folders: missing {sorted(before[0] - after[0])[:4]}")
    extra = {f for f in after[0] - before[0]}
    check(not extra, f"folders: more than before: {sorted(extra)[:4]}")
    check(before[1], "the tenant had no mail: nothing would be compared")
    wrong = []
    for key in sorted(set(before[1]) | set(after[1])):
        a, b = before[1].get(key, []), without_invitations(after[1].get(key, []))
        if a != b:
            what = "twice" if len(b) > len(a) else "missing" if len(b) < len(a) else [
                f"{k}: {x[k]!r:.300} -> {y[k]!r:.300}" for x, y in zip(a, b) for k in x if x[k] != y[k]]
            wrong.append(f"{key}: {what}")
    check(not wrong, f"{len(wrong)} messages are not as they were:\n  " + "\n  ".join(wrong[:8]))


# What the service sets by itself in what is put back (lib/README.md lists it).
SERVICE_SET = ("conversationId", "conversationIndex", "createdDateTime", "changeKey", "lastModifiedDateTime", "bodyPreview",
               "@odata.type", "hasAttachments", "replyTo", "subject")


def remote_path(top, folder):
    """The folder by the names that the service has: a name that Linux can't hold gets a tag made of its id."""
    names = []
    while folder != top:
        above, leaf = os.path.split(folder)
        beside = os.path.join(top, os.fsdecode(sidecar_path(os.fsencode(os.path.relpath(folder, top)))))
        if os.path.exists(beside):
            with open(beside, encoding="utf-8") as f:
                leaf = json.load(f)["name"].removesuffix(" (restored)")
        names.insert(0, leaf)
        folder = above
    return " > ".join(names)


def tree_facts(stage):
    """path of the folder -> sidecars of its messages, without what the service sets."""
    out = {}
    top = os.path.join(stage.root, "tree/users")
    for folder, _, files in os.walk(top):
        if os.path.basename(folder) != ".m365":
            continue
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                s = json.load(f)
            if s["kind"] == "mail" and s["type"] == "file":
                item = {k: v for k, v in s["item"].items() if k not in SERVICE_SET}
                out.setdefault(remote_path(top, os.path.dirname(folder)), []).append(json.dumps(item, sort_keys=True))
    return {path: sorted(found) for path, found in out.items()}


def stage_world(options, name, messages, **settings):
    w = World(options, name, "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0, "--messages-per-mailbox",
              messages)
    return w


def expected_losses(w):
    """Messages with a link alone: their loss is reported, and nothing else."""
    return sum(1 for e in lines(w) if e["type"] == "message" and not e["wrong"] and e["attachments"] and
               any(a["kind"] == "reference" for a in e["attachments"]) and
               not any(a["kind"] != "reference" and not a["inline"] for a in e["attachments"]))


def check_report(out, losses):
    left = [x for x in out.summary["left"]]
    check(len(left) == losses and all("link to a file in the cloud" in x["reason"] for x in left), f"left: {left[:5]}")


@scenario
def restore_mail(options):
    """mail: stage, wipe the mailboxes, restore, stage again: tenant and trees are equal; export; nobody gets a mail"""
    with stage_world(options, "restoremail", 60) as w:
        w.stage.configure(kinds=["mail"])
        allow_restore(w.stage)
        furnish(w)
        w.stage.sync(expect=(0, 1))
        before, losses, trees = tenant_facts(w), expected_losses(w), tree_facts(w.stage)
        source = copy_of(w.stage)
        wipe(w)
        w.sim.post("exchange/limits", concurrency=4)
        plan = w.stage.run("--json", "restore", "--from", source, "--in-place", "--dry-run")
        check(plan.exit == 0, plan.told()[-2000:])
        out = restore(w.stage, source, "--in-place", expect=1 if losses else 0)
        check_report(out, losses)
        check_tenant(before, tenant_facts(w))
        second = second_mail_stage(w, "second")
        check(trees == tree_facts(second), differences(trees, tree_facts(second)))
        w.sim.forget_requests()
        again = restore(w.stage, source, "--in-place", expect=1 if losses else 0)
        asked = w.sim.get("requests")
        check(asked["outlook_write"] == 0 and again.summary["kinds"]["message"]["failed"] == 0, f"a finished restore wrote again: {asked}")
        check_tenant(before, tenant_facts(w))
        forget_journal(w)
        lost = restore(w.stage, source, "--in-place", expect=1 if losses else 0)
        check_tenant(before, tenant_facts(w))
        exported(w, source)
        check(w.sim.get("exchange/tenant")["mails_sent"] == 0, "somebody got a mail")
        check_manners(w.sim)
        refused = w.sim.get("exchange/limits")["sum"]["refused_concurrency"]
        check(refused == 0, f"{refused} requests were more than 4 at a time")
        return f"{report_of(out)}; {losses} links lost; without its journal: {report_of(lost)['message']}"


def forget_journal(w):
    shutil.rmtree(os.path.join(w.stage.root, "restore"))


def second_mail_stage(w, name):
    folder = os.path.join(w.folder, name)
    os.makedirs(folder)
    second = Stage(w.options.build, w.sim, folder)
    second.configure(kinds=["mail"])
    second.sync(expect=(0, 1))
    return second


def differences(a, b):
    out = []
    for path in sorted(set(a) | set(b)):
        x, y = set(a.get(path, [])), set(b.get(path, []))
        out += [f"{path} - {one[:700]}" for one in sorted(x - y)] + [f"{path} + {one[:700]}" for one in sorted(y - x)]
    return f"the trees differ:\n  " + "\n  ".join(out[:8])


def exported(w, source):
    target = os.path.join(w.folder, "mbox")
    mail = ("--from", source, "--select", "users/*/mail")
    out = w.stage.run("--json", "export", *mail, "--to", target, "--mail", "mbox")
    check(out.exit == 0, f"export: {out.told()[-1500:]}")
    staged = sum(len(found) for found in tree_facts(w.stage).values())
    found = 0
    for folder, _, files in os.walk(target):
        for name in files:
            check(name.endswith(".mbox"), f"export wrote {name}")
            found += len(mailbox.mbox(os.path.join(folder, name), create=False))
    check(found == staged, f"export: {found} messages in mbox files, {staged} staged")
    again = w.stage.run("--json", "export", *mail, "--to", target, "--mail", "mbox")
    check(again.summary["files"] == 0 and again.summary["failed"] == 0, again.told()[-1500:])
    plain = w.stage.run("--json", "export", *mail, "--to", os.path.join(w.folder, "eml"))
    check(plain.exit == 0 and plain.summary["files"] == staged, plain.told()[-1500:])


@scenario
def restore_mail_drafts(options):
    """mail: drafts without an internetMessageId that are still there are not put back once more"""
    with stage_world(options, "maildrafts", 0) as w:
        w.stage.configure(kinds=["mail"])
        allow_restore(w.stage)
        box = "users/ada@contoso.example/mail/Drafts"
        drafts = [op(w, "new_message", folder="drafts", own=True, draft=True, set={
            "subject": "Twin", "internetMessageId": None, "body": {"contentType": "text", "content": body}})
            for body in ("one", "two", "three")]
        op(w, "new_message", folder="drafts", own=True, set={"subject": "Another"})
        w.stage.sync(expect=(0, 1))
        source = copy_of(w.stage)
        w.sim.forget_requests()
        out = restore(w.stage, source, "--select", box, "--in-place")
        check(w.sim.get("requests")["outlook_write"] == 0, f"what is there was written: {report_of(out)}")
        check(report_of(out)["message"]["present"] == 4, f"{report_of(out)}")
        op(w, "purge", message=drafts[1]["id"])
        op(w, "set", message=drafts[2]["id"], set={"subject": "Changed since"})
        shutil.rmtree(os.path.join(w.stage.root, "restore"))
        # The folder can't be listed before it is written to: each is asked for by itself.
        w.sim.fault("error", path=r"/messages\?(?!.*&.filter).*expand", status=500, count=-1)
        out = restore(w.stage, source, "--select", box, "--in-place", expect=1)
        told = report_of(out)["message"]
        check((told["done"], told["present"], told["skipped"]) == (1, 2, 1), f"{told}")
        w.sim.clear_faults()
        check(subjects(w, "ada", "Drafts") == ["Another", "Changed since", "Twin", "Twin"], subjects(w, "ada", "Drafts"))
        restore(w.stage, source, "--select", box, "--to", "users/bela@contoso.example", "--into", "Here")
        check(len(subjects(w, "bela", "Here", "Drafts")) == 4, "another mailbox")
        check_manners(w.sim)


@scenario
def restore_mail_kills(options):
    """mail: restore under faults, throttling and kill -9: no message twice, none missing"""
    dice = random.Random(options.seed * 7919)
    with stage_world(options, "mailkills", 150) as w:
        w.stage.configure(kinds=["mail"])
        allow_restore(w.stage)
        furnish(w)
        w.stage.sync(expect=(0, 1))
        before, losses = tenant_facts(w), expected_losses(w)
        source = copy_of(w.stage)
        wipe(w)
        # A service that gives less: no attachments with a message, no marks in lists.
        w.sim.post("exchange/settings", attachments_at_creation=False, list_extended=False)
        w.sim.fault("reset", service="graph", probability=0.03, seed=3)
        w.sim.fault("error", service="graph", probability=0.03, seed=4, status=503)
        w.sim.fault("reset", service="files", probability=0.05, seed=5)
        w.sim.fault("throttle", service="graph", probability=0.005, seed=6, retry_after="absent")
        w.sim.fault("delay", service="graph", probability=0.5, delay_ms=60, seed=7)
        command = [w.stage.binary, "--config", w.stage.config_file, "--json", "restore", "--from", source,
                   "--in-place", "--yes"]
        kills = 0
        for _ in range(40 * options.rounds):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(0.1 + dice.random() * 0.35)
            if process.poll() is not None:
                break
            kill(process)
            kills += 1
        w.sim.clear_faults()
        out = restore(w.stage, source, "--in-place", expect=(0, 1))
        check_report(out, losses)
        check_tenant(before, tenant_facts(w))
        check(w.sim.get("exchange/tenant")["mails_sent"] == 0, "somebody got a mail")
        return f"{kills} kills; {report_of(out)}"


def subjects(w, box, *path):
    """Subjects of the messages in a folder, sorted."""
    return sorted(e["subject"] for e in lines(w, box) if e["type"] == "message" and e["path"] == list(path))


@scenario
def restore_mail_elsewhere(options):
    """mail: another mailbox, its inbox by what it is, conflicts, a single folder, damaged copies, no permission"""
    with stage_world(options, "mailelsewhere", 0) as w:
        w.stage.configure(kinds=["mail"])
        allow_restore(w.stage)
        note = {"subject": "A note", "internetMessageId": "<note@contoso.example>", "body": {"contentType": "text", "content": "one"}}
        first = op(w, "new_message", folder="inbox", own=True, received=1_760_000_000, set=note, read=False)
        op(w, "new_message", folder="inbox", own=True, received=1_770_000_000, set={"subject": "Later"})
        op(w, "new_message", folder="outbox", own=True, received=1_760_000_000, draft=True, set={"subject": "Waiting"})
        op(w, "new_message", folder="inbox", own=True, received=1_760_000_050, attachments=[
            {"name": "huge.bin", "size": 6_000_000, "seed": 9}], set={"subject": "Huge"})
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        tree = os.path.join(source, w.stage.root.lstrip("/"), "tree")
        inbox = "users/ada@contoso.example/mail/Inbox"
        for place in ("groups/team", "sites/contoso.example/sites/x", "users/bela@contoso.example/onedrive"):
            out = w.stage.run("--json", "restore", "--from", source, "--to", place, "--dry-run")
            check(out.exit == 1 and "mail" in out.summary["plan"]["parts"][0]["obstacle"], f"{place}: {out.told()}")
        # The other mailbox is German: its inbox has another name.
        w.sim.fault("error", method="POST", path="/messages$", status=404, code="ErrorItemNotFound", count=2)
        restore(w.stage, source, "--select", inbox, "--to", "users/bela@contoso.example", "--in-place")
        check(subjects(w, "bela", "Posteingang") == ["A note", "Huge", "Later"], f"inbox: {subjects(w, 'bela', 'Posteingang')}")
        w.sim.clear_faults()
        restore(w.stage, source, "--select", "users/ada@*", "--to", "users/bela@contoso.example/mail/Von Ada/Alt", "--into", "Post",
                expect=(0, 1))
        check(subjects(w, "bela", "Von Ada", "Alt", "Post", "Inbox") == ["A note", "Huge", "Later"], "a named folder")
        check(subjects(w, "bela", "Von Ada", "Alt", "Post", "Outbox") == ["Waiting"], "what waited in the outbox")
        restore(w.stage, source, "--select", "users/ada@*/mail/Outbox", "--in-place")
        check(subjects(w, "ada", "Outbox (restored)") == ["Waiting"], "mail clients would send what lies in the outbox")
        restore(w.stage, source, "--select", "users/bela@*/mail", "--in-place")
        stood_in = [e["path"] for e in lines(w, "bela") if len(e["path"]) == 1 and e["path"][0].endswith(" (restored)")]
        check(not stood_in, f"folders in place of empty ones: {stood_in}")
        restore(w.stage, os.path.join(tree, inbox), "--as-of", "2026-01-01")
        today = {e["path"][0] for e in lines(w, "ada") if e["path"] and e["path"][0].startswith("Restored ")}
        check(len(today) == 1 and subjects(w, "ada", *today, "Inbox") == ["A note", "Huge"], f"--as-of into {today}")
        conflicts(w, source, inbox, first["id"], note)
        part = os.path.join(w.folder, "part")
        shutil.copytree(os.path.join(tree, inbox, "2025-10"), os.path.join(part, "2025-10"))
        restore(w.stage, os.path.join(part, "2025-10"), "--to", "users/bela@contoso.example", "--into", "Part")
        check(subjects(w, "bela", "Part") == ["A note", "Huge"], "a part of a tree")
        refused(w, source, tree, inbox)
        check(w.sim.get("exchange/tenant")["mails_sent"] == 0, "somebody got a mail")
        check_manners(w.sim)


def conflicts(w, source, inbox, first, note):
    """What is there with the same content is back; another version stays, or is put beside, or is replaced."""
    def run(*arguments, expect=0):
        return restore(w.stage, source, "--select", inbox, "--in-place", *arguments, expect=expect).summary["kinds"]["message"]

    counts = run()
    check(counts["present"] == 3 and counts["done"] == 0, f"what is there was put there again: {counts}")
    op(w, "set", message=first, set={"subject": "Another note"})
    forget_journal(w)
    counts = run(expect=1)
    check(counts["skipped"] == 1 and subjects(w, "ada", "Inbox") == ["Another note", "Huge", "Later"], f"skip: {counts}")
    forget_journal(w)
    run("--conflict", "rename")
    check(subjects(w, "ada", "Inbox") == ["A note", "Another note", "Huge", "Later"], "rename")
    op(w, "purge", message=next(e["id"] for e in lines(w, "ada") if e["type"] == "message" and
                                e["path"] == ["Inbox"] and e["subject"] == "A note"))
    forget_journal(w)
    run("--conflict", "replace")
    check(subjects(w, "ada", "Inbox") == ["A note", "Huge", "Later"], "replace")
    check(subjects(w, "ada", "Deleted Items") == ["Another note"], "what was replaced is not among the deleted items")


def refused(w, source, tree, inbox):
    """Damaged copies are told file by file; a missing permission by its name."""
    month = os.path.join(tree, inbox, "2025-10")
    names = sorted(n for n in os.listdir(month) if n.endswith(".eml"))
    with open(os.path.join(month, names[0]), "ab") as f:
        f.write(b"evil")
    with open(os.path.join(month, ".m365", names[1] + ".json"), "a", encoding="utf-8") as f:
        f.write(" ")
    os.symlink("/etc/passwd", os.path.join(month, "link.eml"))
    out = restore(w.stage, source, "--select", inbox, "--into", "Damaged", expect=1)
    reasons = [left["reason"] for left in out.summary["left"]]
    check(len(reasons) == 3 and any("sidecar is damaged" in r for r in reasons) and
          any("copy is damaged" in r for r in reasons) and any("link or a device" in r or "no sidecar" in r for r in reasons),
          f"refused: {reasons}")
    check(subjects(w, "ada", "Damaged", "Inbox") == ["Later"], "what is not damaged")
    for form in ("eml", "mbox"):
        out = w.stage.run("--json", "export", "--from", source, "--to", os.path.join(w.folder, "damaged " + form), "--mail", form)
        check(out.exit == 1 and out.summary["failed"] == 3, f"export as {form}: {out.told()[-1500:]}")
    w.sim.post("auth", roles=["Mail.Read"], expire_all=True)
    out = w.stage.run("--json", "restore", "--from", source, "--in-place", "--dry-run")
    check(out.exit == 3 and "Mail.ReadWrite" in out.stdout, f"missing permission: {out.exit} {out.told()}")


PAIR = [{"name": name, "size": 700_000, "seed": seed} for seed, name in enumerate(("a.bin", "b.bin"), 1)]


@scenario
def restore_refused_parts(options):
    """attachments that were refused are told and tried by each run, and nothing else is, until they are there"""
    with World(options, "restoreparts", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
               "--messages-per-mailbox", 0, "--events-per-calendar", 0) as w:
        allow_restore(w.stage)
        w.stage.configure(kinds=["mail", "calendar"])
        w.sim.post("auth", roles=["Mail.ReadWrite", "Calendars.ReadWrite", "User.Read.All", "MailboxSettings.ReadWrite"], expire_all=True)
        op(w, "new_message", folder="inbox", own=True, received=1_760_000_000, attachments=PAIR, set={"subject": "Pair"})
        op(w, "new_message", folder="inbox", own=True, received=1_760_000_100, set={"subject": "Plain"})
        w.sim.post("exchange/calendar/op", op="new", mailbox="ada", calendar="Projects", attachments=PAIR,
                   set={"subject": "Meeting"})
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        for kind, told in (("mail", "exchange/expected"), ("calendar", "exchange/calendar/expected")):
            refused_parts(w, source, kind, told)
        check_manners(w.sim)


def refused_parts(w, source, kind, told):
    def there():
        text = w.sim.ask("GET", told + "?mailbox=ada&hashes=1")
        return sum(len(json.loads(line).get("attachments", [])) for line in text.splitlines())

    def run(expect):
        w.sim.forget_requests()
        out = restore(w.stage, source, "--select", f"users/ada@*/{kind}", "--to", "users/ada@contoso.example", "--into",
                      "Back", expect=expect)
        posts = [x["request"] for x in w.sim.get("log?limit=2000")["log"] if x["request"].startswith(("POST", "PUT"))]
        return sorted(x["path"].split("\n")[1] for x in out.summary["left"]), [p for p in posts if "/token" not in p]

    before = there()
    for left in (["a.bin", "b.bin"], ["a.bin"]):
        w.sim.fault("error", path="/attachments$", method="POST", status=400, code="ErrorInvalidRequest", count=len(left))
        found, posts = run(1)
        check(found == left, f"{kind}: left {found}, not {left}")
        w.sim.clear_faults()
    found, posts = run(0)
    check(len(posts) == 1, f"{kind}: what is missing is one attachment, but it sent {posts}")
    check(there() == before + 2, f"{kind}: {there()} attachments, of {before} before")
    found, posts = run(0)
    check(not found and not posts, f"{kind}: a finished restore sent {posts}")
