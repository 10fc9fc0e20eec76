"""restore into what people go on working with: conflicts, second restores, runs that were cut off in the middle."""

import glob
import json
import os
import shutil
import sqlite3

from cases import scenario
from cases.restore import allow_restore, copy_of, restore
from cases.restore_mail import lines, op, subjects
from harness import World, check, check_manners

ROLES = ["User.Read.All", "Mail.ReadWrite", "Contacts.ReadWrite", "Tasks.ReadWrite.All", "MailboxSettings.ReadWrite"]
INBOX = ("--in-place", "--select", "users/ada@*/mail/Inbox")
DRAFTS = ("--in-place", "--select", "users/ada@*/mail/Drafts")


class Small(World):
    """One mailbox with nothing of those kinds in it but what a scenario makes."""

    def __init__(self, options, name, *kinds):
        super().__init__(options, name, "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
                         "--messages-per-mailbox", 0)
        self.kinds = kinds

    def __enter__(self):
        super().__enter__()
        self.stage.configure(kinds=list(self.kinds))
        allow_restore(self.stage)
        self.sim.post("auth", roles=ROLES, expire_all=True)
        for line in items(self):
            record(self, "contacts" if line["kind"] == "contact" else "tasks", "delete", id=line["id"])
        return self

    def staged(self):
        self.stage.sync(expect=(0, 1))
        return copy_of(self.stage)


def record(w, what, o, **more):
    return w.sim.post("exchange/records/op", mailbox="ada", what=what, op=o, **more)


def items(w):
    return [e for e in w.sim.get("exchange/records/expected?mailbox=ada") if e["what"] == "item" and
            e["well_known"] != "flaggedEmails"]


def messages(w, *path):
    return [e for e in lines(w, "ada") if e["type"] == "message" and e["path"] == list(path)]


def mail(w, **more):
    return op(w, "new_message", own=True, received=1_760_000_000, **{"folder": "inbox", **more})["id"]


def note(subject):
    return {"subject": subject, "internetMessageId": "<note@contoso.example>"}


def counts(out, kind):
    told = out.summary["kinds"].get(kind, {})
    return {state: told[state] for state in told if told[state]}


def forget(w):
    """The next restore knows of none before it."""
    shutil.rmtree(os.path.join(w.stage.root, "restore"), ignore_errors=True)


def journals(w):
    return glob.glob(os.path.join(w.stage.root, "restore/*/journal.db"))


@scenario
def restore_used_mail(options):
    """mail: what people did with a message since it was restored stays, whichever restore finds it again"""
    with Small(options, "usedmail", "mail") as w:
        pair = [{"name": name, "size": 700_000, "seed": seed} for seed, name in enumerate(("a.bin", "b.bin"), 1)]
        mail(w, read=False, attachments=pair, set=note("Used"))
        source = w.staged()
        op(w, "purge", message=messages(w, "Inbox")[0]["id"])
        w.sim.fault("error", path="/attachments$", method="POST", status=400, code="ErrorInvalidRequest", count=2)
        restore(w.stage, source, *INBOX, expect=1)
        w.sim.clear_faults()
        found = messages(w, "Inbox")[0]
        check(not found["read"] and found["flag"] == "notFlagged", f"restored: {found['read']} {found['flag']}")

        def used():
            return [(e["read"], e["flag"], e["categories"], len(e["attachments"])) for e in messages(w, "Inbox")]

        op(w, "set", message=found["id"], set={"categories": ["Mine"]})
        op(w, "read", message=found["id"])
        op(w, "flag", message=found["id"], flag="flagged")
        wanted = [(True, "flagged", ["Mine"], 2)]
        restore(w.stage, source, *INBOX)  # the same one, for its attachments
        check(used() == wanted, f"the same command again: {used()}")
        restore(w.stage, source, "--in-place", "--select", "users/ada@*/mail/Inbox/*")
        check(used() == wanted, f"another restore: {used()}")
        forget(w)
        restore(w.stage, source, *INBOX)
        check(used() == wanted, f"without its journal: {used()}")
        check_manners(w.sim)
        # Lists of attachments may lead back to where they were (contract 6.4).
        here = f"/v1.0/users/{found['mailbox']['id']}/messages/{found['id']}/attachments?$select=id,name,size,contentType"
        w.sim.fault("set_members", path="/attachments\\?", count=-1, set={"@odata.nextLink": w.sim.facts["graph"] + here})
        forget(w)
        restore(w.stage, source, *INBOX)
        check(used() == wanted, f"attachments twice: {used()}")


@scenario
def restore_replaced_mail(options):
    """mail: --conflict replace that could not remove the other version removes it the next time, if it is still there"""
    with Small(options, "replacedmail", "mail") as w:
        mail(w, set=note("Right"))
        source = w.staged()
        replace = (*INBOX, "--conflict", "replace")
        inbox = lambda: subjects(w, "ada", "Inbox")

        def other_version():
            for message in messages(w, "Inbox"):
                op(w, "purge", message=message["id"])
            forget(w)
            return mail(w, set=note("Wrong"))

        def refused():
            w.sim.fault("error", method="DELETE", path="/messages/", status=403, code="ErrorAccessDenied", count=-1)
            restore(w.stage, source, *replace, expect=1)
            check(inbox() == ["Right", "Wrong"], f"DELETE was not refused: {inbox()}")
            w.sim.clear_faults()

        other_version()
        refused()
        for cut in (None, "NEW.state = 1 AND NEW.id <> ''", "NEW.state = 2"):  # made, done
            if cut:
                other_version()
                make_journal(w, source, *replace)
                cut_off_at(w, "NEW.kind = 'message' AND " + cut)
                w.stage.run("--json", "restore", "--from", source, "--yes", *replace)
                check("Right" in inbox(), f"{cut}: it was not cut off there: {inbox()}")
                go_on(w)
            out = restore(w.stage, source, *replace)
            check(inbox() == ["Right"], f"{cut}: {inbox()}")
            check(counts(out, "message") == {"done": 1}, f"{cut}: {out.summary['kinds']}")
        # Of two with one internetMessageId each takes the place of another one.
        other_version()
        mail(w, set={**note("Right"), "body": {"contentType": "text", "content": "a twin"}})
        w.stage.sync(expect=(0, 1))
        twins = copy_of(w.stage, "twins")
        for message in messages(w, "Inbox"):
            op(w, "set", message=message["id"], set={"subject": "Changed " + message["subject"]})
        restore(w.stage, twins, *replace)
        check(inbox() == ["Right", "Wrong"], f"twins: {inbox()}")
        # Somebody has put the other version away: it is not in the way any more.
        other = other_version()
        refused()
        op(w, "move", message=other, to="archive")
        restore(w.stage, source, *replace)
        check(inbox() == ["Right"] and subjects(w, "ada", "Archive") == ["Wrong"], "what somebody had put away was removed")
        check_manners(w.sim)


@scenario
def restore_changed_drafts(options):
    """mail: a draft whose text was changed since is another version of it; --as-of does not take it for the old one"""
    with Small(options, "changeddrafts", "mail") as w:
        text = lambda content: {"contentType": "text", "content": content}
        mail(w, folder="drafts", draft=True, set={"subject": "Same", "body": text("as it was")})
        draft = mail(w, folder="drafts", draft=True, set={"subject": "Speech", "body": text("the long text")})
        source = w.staged()
        op(w, "set", message=draft, set={"body": text("oops")})
        bodies = lambda: sorted(e["body"] for e in messages(w, "Drafts"))
        out = restore(w.stage, source, *DRAFTS, expect=1)
        check(counts(out, "message") == {"present": 1, "skipped": 1}, f"skip: {out.summary['kinds']}")
        out = restore(w.stage, source, *DRAFTS, "--conflict", "replace")
        check(bodies() == ["as it was", "the long text"], f"replace: {bodies()}")
        check([e["body"] for e in messages(w, "Deleted Items")] == ["oops"], "what was replaced is not among the deleted items")
        # Another restore finds its own draft by the mark, and sees if somebody has made another one of it.
        forget(w)
        out = restore(w.stage, source, *DRAFTS)
        check(counts(out, "message") == {"present": 1, "done": 1}, f"its own again: {out.summary['kinds']}")
        own = next(e for e in messages(w, "Drafts") if e["subject"] == "Speech")
        op(w, "set", message=own["id"], set={"subject": "Another speech"})
        forget(w)
        out = restore(w.stage, source, *DRAFTS, expect=1)
        check(counts(out, "message") == {"present": 1, "skipped": 1}, f"another draft: {out.summary['kinds']}")
        w.sim.post("settings", advance_clock=10 * 86400)
        op(w, "set", message=own["id"], set={"subject": "Later"})
        w.stage.sync(expect=(0, 1))
        later = copy_of(w.stage, "later")
        staged = glob.glob(os.path.join(later, w.stage.root.lstrip("/"), "tree/users/*/mail/Drafts/*/.m365/*_Same_*"))
        made = json.load(open(staged[0], encoding="utf-8"))["item"]["createdDateTime"]
        out = restore(w.stage, later, *DRAFTS, "--as-of", made[:10] + "T23:59:59Z", expect=1)
        check(any("changed after --as-of" in left["reason"] for left in out.summary["left"]), f"{out.summary['left']}")
        check_manners(w.sim)


def make_journal(w, source, *arguments):
    """A run that could not make anything."""
    w.sim.fault("error", path="/(messages|contacts)$", method="POST", status=403, code="ErrorAccessDenied", count=-1)
    restore(w.stage, source, *arguments, expect=1)
    w.sim.clear_faults()


def cut_off_at(w, condition):
    """Journals can't be written at that point any more: the run ends there, as if it had been killed."""
    for path in journals(w):
        with sqlite3.connect(path) as db:
            db.execute(f"CREATE TRIGGER cut BEFORE INSERT ON object WHEN {condition} "
                       "BEGIN SELECT RAISE(ABORT, 'cut off'); END")
        db.close()


def go_on(w):
    for path in journals(w):
        with sqlite3.connect(path) as db:
            db.execute("DROP TRIGGER cut")
        db.close()


@scenario
def restore_cut_between(options):
    """mail: a run that is cut off before it writes down what was refused does not count the message as done"""
    with Small(options, "cutbetween", "mail") as w:
        mail(w, attachments=[{"name": "a.bin", "size": 700_000, "seed": 1}], set=note("Cut"))
        source = w.staged()
        op(w, "purge", message=messages(w, "Inbox")[0]["id"])
        make_journal(w, source, *INBOX)
        cut_off_at(w, "NEW.kind = 'attachment'")
        w.sim.fault("error", path="/attachments$|/messages$", method="POST", status=400, code="ErrorInvalidRequest", nth=1, count=1)
        w.sim.fault("error", path="/attachments$", method="POST", status=400, code="ErrorInvalidRequest", count=-1)
        out = w.stage.run("--json", "restore", "--from", source, "--yes", *INBOX)
        check(out.exit not in (0, 1) and len(messages(w, "Inbox")) == 1, f"it was not cut off: {out.exit} {out.told()}")
        go_on(w)
        out = restore(w.stage, source, *INBOX, expect=1)
        check([left["kind"] for left in out.summary["left"]] == ["attachment"], f"{out.summary['left']}")
        w.sim.clear_faults()
        restore(w.stage, source, *INBOX)
        check([len(e["attachments"]) for e in messages(w, "Inbox")] == [1], "the attachment is not there")


def people(w):
    """What a contact says; of its address the parts that say something."""
    def facts(e):
        home = e["object"].get("homeAddress") or {}
        return [*(e["object"].get(key) for key in ("displayName", "jobTitle", "mobilePhone")),
                sorted((part, text) for part, text in home.items() if text), (e.get("photo") or {}).get("sha256")]

    return sorted((facts(e) for e in items(w) if e["kind"] == "contact"), key=str)


@scenario
def restore_changed_records(options):
    """contacts, tasks: replace brings the old version back whole, rename touches nobody's, --as-of sees later changes"""
    with Small(options, "changedrecords", "contacts", "tasks") as w:
        home = {"street": "1 Road"}
        con = record(w, "contacts", "new", set={"displayName": "Con Tact", "givenName": "Con", "jobTitle": "Old job",
                                                "homeAddress": home})["id"]
        record(w, "contacts", "photo", id=con)
        todo = record(w, "tasks", "new", set={"title": "Do it", "importance": "high"})["id"]
        record(w, "tasks", "attach", id=todo, name="kept.bin")
        before = people(w)
        source = w.staged()

        def change():
            record(w, "contacts", "set", id=con, set={"jobTitle": "New job", "mobilePhone": "+1 555",
                                                      "homeAddress": {"street": "2 Road", "city": "Town"}})
            record(w, "contacts", "photo", id=con)

        changed_after(w, change)
        record(w, "tasks", "set", id=todo, set={"importance": "low", "categories": ["New"], "body": {
            "contentType": "text", "content": "added"}, "startDateTime": {"dateTime": "2026-03-02T00:00:00", "timeZone": "UTC"}})
        record(w, "tasks", "furnish", id=todo)
        theirs = people(w)
        check(theirs != before and theirs[0][4] != before[0][4], f"nothing was changed: {theirs}")
        renamed(w, source, before, theirs)
        replaced(w, source, con, before, change)
        task = next(e for e in items(w) if e["kind"] == "todoTask")
        kept = {k: v for k, v in task["object"].items() if v not in (None, [], {}, "")}
        check(kept.get("importance") == "high" and not {"startDateTime", "categories"} & set(kept) and
              not (kept.get("body") or {}).get("content"), f"the task: {kept}")
        rest = [task.get("checklist"), task.get("links"), [a["name"] for a in task.get("attachments", [])]]
        check(rest == [[], [], ["kept.bin"]], f"what belongs to the task: {task}")
        check_manners(w.sim)


def changed_after(w, change):
    """Days later, so that --as-of can tell."""
    day = items(w)[-1]["object"]["lastModifiedDateTime"]
    w.sim.post("settings", advance_clock=10 * 86400)
    change()
    w.stage.sync(expect=(0, 1))
    later = copy_of(w.stage, "later")
    out = restore(w.stage, later, "--in-place", "--as-of", day, "--dry-run", expect=1)
    reasons = [left["reason"] for left in out.summary["plan"]["cannot"]]
    check(len(reasons) == 1 and "changed after --as-of" in reasons[0], f"as of {day}: {reasons}")
    parts = {part["kind"]: part["kinds"] for part in out.summary["plan"]["parts"]}
    check(parts["contacts"]["contact"]["objects"] == 0 and parts["tasks"]["task"]["objects"] == 1, f"as of {day}: {parts}")


def renamed(w, source, before, theirs):
    """A request that failed does not make somebody's contact ours; ours is made beside it."""
    only = ("--in-place", "--select", "users/ada@*/contacts", "--conflict", "rename")
    w.sim.fault("error", method="POST", path="/contacts$", status=500, count=1)
    restore(w.stage, source, *only)
    check(people(w) == sorted(before + theirs, key=str), f"rename: {people(w)}")
    w.sim.clear_faults()
    restore(w.stage, source, *only)
    check(people(w) == sorted(before + theirs, key=str), f"rename again: {people(w)}")
    jobs = lambda: sorted(e["object"].get("jobTitle") for e in items(w) if e["kind"] == "contact")

    def remove(job):
        found = next(e for e in items(w) if e["kind"] == "contact" and e["object"].get("jobTitle") == job)
        record(w, "contacts", "delete", id=found["id"])
        forget(w)

    remove("Old job")
    # Ours was made by a run that was cut off, and is gone since: what is called so now is somebody else's.
    make_journal(w, source, *only)
    cut_off_at(w, "NEW.kind = 'contact' AND NEW.state = 1 AND NEW.id <> ''")
    w.stage.run("--json", "restore", "--from", source, "--yes", *only)
    check(jobs() == ["New job", "Old job"], f"it was not cut off there: {jobs()}")
    ours = next(e["id"] for e in items(w) if e["kind"] == "contact" and e["object"].get("jobTitle") == "Old job")
    record(w, "contacts", "delete", id=ours)
    record(w, "contacts", "new", set={"displayName": "Con Tact", "givenName": "Con", "jobTitle": "Third job"})
    go_on(w)
    restore(w.stage, source, *only)
    check(jobs() == ["New job", "Old job", "Third job"], f"rename: {jobs()}")
    remove("Old job")
    remove("Third job")


def replaced(w, source, con, before, change):
    """Also where a request fails for good, or the photo: the next run goes on with it, and then never again."""
    only = ("--in-place", "--select", "users/ada@*/contacts", "--select", "users/ada@*/tasks", "--conflict", "replace")
    for path, method in (("/contacts/[^/]*$", "PATCH"), ("/photo/", "PUT")):
        w.sim.fault("error", method=method, path=path, status=400, code="ErrorInvalidRequest", count=1)
        restore(w.stage, source, *only, expect=1)
        check(people(w) != before, f"{method} was not refused")
        w.sim.clear_faults()
        restore(w.stage, source, *only)
        check(people(w) == before, f"replace: {people(w)} instead of {before}")
        change()
        restore(w.stage, source, *only, expect=1)
        check(people(w) != before, "a finished restore wrote again")
        forget(w)
    restore(w.stage, source, *only)
    check(people(w) == before, f"replace: {people(w)} instead of {before}")


@scenario
def restore_unread_back(options):
    """mail, contacts, tasks, settings: what can't be read back is told by itself, everything else is compared"""
    with Small(options, "unreadback", "mail", "contacts", "tasks") as w:
        for number in range(2):
            mail(w, set={"subject": f"M{number}"})
            record(w, "contacts", "new", set={"displayName": f"C{number}", "givenName": "C"})
            record(w, "tasks", "new", set={"title": f"T{number}"})
        record(w, "contacts", "new", folder="Friends", set={"displayName": "Friend", "givenName": "F"})
        source = w.staged()
        kinds = [word for kind in ("mail/Inbox", "contacts", "tasks", "settings") for word in ("--select", f"users/ada@*/{kind}")]
        into = ("--to", "users/ada@contoso.example", "--into", "Back", "--settings", *kinds)
        # New folders are not listed before something is put into them, so these are the first lists of them.
        for path in ("/mailFolders/[^/]*/messages.*isRead", "/contactFolders/[^/]*/contacts(\\?|$)", "/todo/lists/[^/]*/tasks(\\?|$)"):
            w.sim.fault("error", path=path, method="GET", status=403, code="ErrorAccessDenied", nth=1, count=1)
        out = restore(w.stage, source, *into, expect=1)
        left = sorted((one["kind"], one["state"]) for one in out.summary["left"])
        check(left.count(("message", "failed")) == 2 and left.count(("task", "failed")) == 2, f"left: {left}")
        check(counts(out, "contact").get("done", 0) >= 1 and counts(out, "contact").get("failed", 0) >= 1, f"{out.summary['kinds']}")
        w.sim.clear_faults()
        restore(w.stage, source, *into)
        back = sorted(e["subject"] for e in lines(w, "ada") if e["type"] == "message" and e["path"][0] == "Back")
        check(back == ["M0", "M1"], f"messages twice or missing: {back}")
        asked = settings_requests(w)
        restore(w.stage, source, *into)
        asked = settings_requests(w) - asked
        w.sim.fault("error", path="/mailboxSettings", method="GET", status=403, code="ErrorAccessDenied", nth=asked, count=1)
        out = restore(w.stage, source, *into, expect=1)
        check([one["kind"] for one in out.summary["left"]] == ["settings"], f"left: {out.summary['left']}")
        check(counts(out, "message") == {"done": 2}, f"{out.summary['kinds']}")
        w.sim.clear_faults()
        restore(w.stage, source, *into)


def settings_requests(w):
    return sum("/mailboxSettings" in one["request"] for one in w.sim.get("log?limit=5000")["log"])
