"""Calendars from the tree back into mailboxes, without a mail to anybody."""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess

from cases import scenario
from cases.calendar import expected, owner_of, sidecars, told_occasions
from cases.restore import allow_restore, copy_of, restore
from harness import Stage, World, check, check_manners, kill, walk

# What the service sets by itself or what can't be given to it (README.md lists them).
SERVICE_SET = ("id", "changeKey", "createdDateTime", "lastModifiedDateTime", "iCalUId", "uid", "transactionId",
               "attendees", "organizer", "isOrganizer", "responseStatus", "isCancelled", "onlineMeeting",
               "onlineMeetingUrl", "onlineMeetingProvider", "isOnlineMeeting", "occurrenceId", "seriesMasterId",
               "bodyPreview", "hasAttachments")
READ_ONLY = re.compile(r"Birthdays|holidays|Feiertage")
# What a restore writes behind the words of a meeting.
ADDED = re.compile(r"<p>(Organizer|Online meeting): .*?</p>|(\r\n\r\n)?((Organizer|Attendee|Online meeting): [^\r]*\r\n)+")
UNKNOWN_ZONE = "tzone://Microsoft/Custom"


def facts_of_item(item):
    """A staged event, but for what the service sets."""
    out = {k: v for k, v in item.items() if k not in SERVICE_SET and v not in (None, "", [])}
    content = ADDED.sub("", out.pop("body", {}).get("content", ""))
    if content:
        out["body"] = item["body"]["contentType"] + ": " + content
    for name in ("originalStartTimeZone", "originalEndTimeZone"):
        out[name] = "UTC" if out.get(name) == UNKNOWN_ZONE else out.get(name)
    if "recurrence" in out:
        out["recurrence"] = {"pattern": out["recurrence"]["pattern"],
                             "range": {k: v for k, v in out["recurrence"]["range"].items() if v}}
    out["attachments"] = sorted((a["name"], a.get("contentType") or "", a.get("isInline"), a.get("contentId") or "",
                                 a["staged"]["sha256"], a["staged"]["size"])
                                for a in item.get("attachments", []) if "staged" in a)
    out["exceptionOccurrences"] = sorted((facts_of_item(x) for x in item.get("exceptionOccurrences", [])), key=str)
    out["cancelledOccurrences"] = sorted(x[-10:] for x in item.get("cancelledOccurrences", []))
    return out


def facts(stage):
    """Every event that can be put back, by owner and calendar; equal ones as often as they are there."""
    out = []
    for (owner, _), (sidecar, path) in sidecars(stage).items():
        calendar = os.path.basename(os.path.dirname(path))
        if sidecar["type"] == "file" and not READ_ONLY.search(calendar):
            # Two calendars of one name can't be made; a name that Linux can't hold has a tag made of its id.
            calendar = re.sub(r"~[0-9a-v]{16}| \(2\)", "", calendar)
            out.append((owner, calendar, json.dumps(facts_of_item(sidecar["item"]), sort_keys=True)))
    check(out, "there are no events: nothing would be compared")
    return sorted(out)


def check_equal(before, after):
    lost = [f for f in before if f not in after]
    new = [f for f in after if f not in before]
    told = ""
    for old, now in list(zip(lost, new))[:4]:
        a, b = json.loads(old[2]), json.loads(now[2])
        told += f"\n  {old[:2]} {now[:2]} " + str({k: (a.get(k), b.get(k)) for k in a.keys() | b.keys() if a.get(k) != b.get(k)})[:900]
    check(not lost and not new, f"{len(lost)} events are not as they were, {len(new)} are others:{told}")
    check(len(before) == len(after), f"{len(after)} events instead of {len(before)}: some are there twice")


def allow(w):
    """The one app of the test tenant may write calendars as well."""
    allow_restore(w.stage)
    w.sim.post("auth", roles=["User.Read.All", "Group.Read.All", "Calendars.ReadWrite"], expire_all=True)


def staged_again(w, name="second"):
    folder = os.path.join(w.folder, name)
    os.makedirs(folder)
    second = Stage(w.options.build, w.sim, folder)
    second.configure(kinds=w.stage.settings["kinds"])
    second.sync(expect=(0, 1))
    return second


def wipe(sim):
    for box in sim.get("exchange/tenant")["mailboxes"]:
        sim.post("exchange/calendar/op", op="wipe", mailbox=box["owner_id"])


def no_mails(sim):
    tenant = sim.get("exchange/tenant")
    check(tenant["invitations_sent"] == 0 and tenant["mails_sent"] == 0, f"somebody got a mail: {tenant}")


def left_of(out):
    """What was not put back, and why, but for what nobody can."""
    known = ("it was not staged", "the service itself fills")
    return [x for x in out.summary["left"] if not x["reason"].startswith(known)]


def world(options, name, *more):
    return World(options, name, "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 1,
                 "--messages-per-mailbox", 1, "--files-per-drive", 0, *more)


@scenario
def restore_calendar(options):
    """calendars: stage, wipe, restore, stage again: both are equal, nobody is invited; again: nothing is written"""
    with world(options, "restorecal", "--events-per-calendar", 24) as w:
        allow(w)
        w.stage.configure(kinds=["calendar", "groups"])
        w.stage.sync(expect=(0, 1))
        before, taking_place = facts(w.stage), occasions(w)
        source = copy_of(w.stage)
        present(w, source)
        wipe(w.sim)
        w.sim.forget_requests()
        plan = w.stage.run("--json", "restore", "--from", source, "--in-place", "--select", "*/calendar",
                           "--dry-run")
        check(plan.exit == 0 and w.sim.get("requests")["outlook_write"] == 0, plan.told()[-1500:])
        out = restore(w.stage, source, "--in-place", "--select", "*/calendar", expect=1)
        check(not left_of(out), f"left: {left_of(out)[:5]}")
        check(out.summary["kinds"]["event"]["skipped"] > 0, "nothing is missing in the calendars that nobody can write")
        no_mails(w.sim)
        check_equal(before, facts(staged_again(w)))
        check(occasions(w) == taking_place, "other things take place than before")
        w.sim.forget_requests()
        again = restore(w.stage, source, "--in-place", "--select", "*/calendar", expect=1)
        wrote = w.sim.get("requests")["outlook_write"]
        check(wrote == 0, f"a finished restore wrote {wrote} times: {again.summary['kinds']}")
        without_journal(w, source, before)
        conflicts(w, source)
        elsewhere(w, source)
        exported(w, source)
        no_mails(w.sim)
        check_manners(w.sim)
        return f"{len(before)} events: {out.summary['kinds']}"


def present(w, source):
    """Into a tenant that still has everything: nothing is written."""
    w.sim.forget_requests()
    out = restore(w.stage, source, "--in-place", "--select", "users/*/calendar")
    check(w.sim.get("requests")["outlook_write"] == 0, f"what is there was written: {out.summary['kinds']}")
    check(out.summary["kinds"].get("event", {}).get("present", 0) > 0, out.told()[-2500:])
    # Also of the calendars that the service fills: what is there is back.
    check(out.summary["kinds"]["event"]["skipped"] == 0 and not out.summary["left"], f"{out.summary['kinds']}")


def occasions(w):
    """What takes place when, as the tenant itself counts; of calendars that a restore can write."""
    out = sorted((owner_of(e), *map(str, o)) for e in expected(w.sim)
                 if e["type"] == "event" and not e["wrong"] and e["can_edit"] for o in told_occasions(e))
    check(out, "nothing takes place")
    return out


def without_journal(w, source, before):
    """The journal is gone, and some of the events: what is there is found again."""
    journals = os.path.join(w.stage.root, "restore")
    for name in os.listdir(journals):
        subprocess.run(["rm", "-rf", os.path.join(journals, name)], check=True)
    mine = [e for e in expected(w.sim) if e["type"] == "event" and e["can_edit"] and not e["wrong"]]
    for e in mine[:5]:
        w.sim.post("exchange/calendar/op", op="delete", mailbox=e["mailbox"]["id"], event=e["id"])
    out = restore(w.stage, source, "--in-place", "--select", "*/calendar", expect=1)
    check(not left_of(out), f"left: {left_of(out)[:5]}")
    check_equal(before, facts(staged_again(w, "third")))


def conflicts(w, source):
    """Another version of an event is there: kept, unless something else was asked for."""
    mine = [e for e in expected(w.sim) if e["type"] == "event" and e["can_edit"] and not e["graph"]["attendees"]
            and e["mailbox"]["address"].startswith("bela") and not e["attachments"]]
    event = mine[0]
    staged = {key: value for key, value in sidecars(staged_again(w, "conflict")).items() if key[1] == event["id"]}
    (sidecar, path), = staged.values()
    tree = os.path.join(w.folder, "conflict", "stage")
    w.sim.post("exchange/calendar/op", op="set", mailbox="bela", event=event["id"], set={"subject": "changed by hand"})
    chosen = os.path.relpath(path, os.path.join(tree, "tree"))
    count = len(expected(w.sim))
    out = restore(w.stage, tree, "--in-place", "--select", chosen, expect=1)
    check(out.summary["kinds"]["event"]["skipped"] == 1, out.told()[-1500:])
    restore(w.stage, tree, "--in-place", "--select", chosen, "--conflict", "rename")
    check(len(expected(w.sim)) == count + 1, "no event beside the other version")
    subjects = [e["graph"]["subject"] for e in expected(w.sim) if e["type"] == "event"]
    check("changed by hand" in subjects and sidecar["item"]["subject"] in subjects, "one of both is gone")


def elsewhere(w, source):
    """Into another mailbox, and into new calendars that say what they are."""
    select = ["--select", "users/ada@contoso.example/calendar/Calendar"]
    restore(w.stage, source, *select, "--to", "users/bela@contoso.example", "--into", "From Ada", expect=(0, 1))
    names = {e["name"] for e in expected(w.sim) if e["type"] == "calendar" and e["mailbox"]["address"].startswith("bela")}
    check("From Ada Calendar" in names, f"no calendar of that name: {names}")
    restore(w.stage, source, *select, expect=(0, 1))
    names = {e["name"] for e in expected(w.sim) if e["type"] == "calendar"}
    check(any(re.fullmatch(r"Restored \d{4}-\d\d-\d\d Calendar", n) for n in names), f"no new calendar: {names}")


def exported(w, source):
    """One file for each calendar, which other readers take."""
    import icalendar
    target = os.path.join(w.folder, "plain")
    out = w.stage.run("--json", "export", "--from", source, "--to", target, "--select", "users/*/calendar")
    check(out.exit == 0, f"export: {out.told()[-1500:]}")
    files = [os.fsdecode(p) for p, facts in walk(target) if os.path.isfile(os.path.join(os.fsencode(target), p))]
    wanted = {os.path.dirname(path) for (owner, _), (s, path) in sidecars(w.stage).items()
              if s["type"] == "file" and owner.startswith("users/")}
    check(len(files) == len(wanted) and all(f.endswith(".ics") for f in files), f"exported: {files}")
    events = 0
    for name in files:
        with open(os.path.join(target, name), "rb") as f:
            parsed = icalendar.Calendar.from_ical(f.read())
        zones = [str(z["TZID"]) for z in parsed.walk("VTIMEZONE")]
        check(len(zones) == len(set(zones)), f"{name}: zones {zones}")
        for event in parsed.walk("VEVENT"):
            zone = event["DTSTART"].params.get("TZID")
            check(zone is None or zone in zones, f"{name}: no zone {zone}")
            events += "RECURRENCE-ID" not in event
    staged = [s for (owner, _), (s, _) in sidecars(w.stage).items() if s["type"] == "file" and owner.startswith("users/")]
    check(events == len(staged), f"{events} events exported, not {len(staged)}")


@scenario
def restore_calendar_hiccup(options):
    """calendars: one that could not be made in passing is made for the next event, in the same run"""
    with world(options, "hiccupcal", "--events-per-calendar", 20) as w:
        allow(w)
        w.stage.configure(kinds=["calendar"])
        w.stage.sync(expect=(0, 1))
        before = facts(w.stage)
        source = copy_of(w.stage)
        wipe(w.sim)
        top = os.path.join(w.stage.root, "tree/users/ada@contoso.example/calendar")
        events = {name: sum(f.endswith(".ics") for f in os.listdir(os.path.join(top, name)))
                  for name in os.listdir(top) if name not in (".m365", "Calendar")}
        name = max(events, key=events.get)
        tries = 3  # as many as one calendar has
        w.sim.fault("error", path="/calendars$", method="POST", status=503, count=tries)
        out = restore(w.stage, source, "--in-place", "--select", f"users/ada@*/calendar/{name}", expect=(0, 1))
        told = out.summary["kinds"]
        check(w.sim.get("requests")["outlook_write"] > 0 and told["calendar"]["done"] == 1, f"{told}")
        check(told["event"]["done"] == events[name] > 1, f"{events[name]} events: {told}")
        restore(w.stage, source, "--in-place", "--select", "users/*/calendar", expect=1)
        check_equal(before, facts(staged_again(w)))
        no_mails(w.sim)
        return f"{told}"


@scenario
def restore_calendar_kills(options):
    """calendars: restore under faults, throttling and kill -9: nothing twice, nothing missing, nobody invited"""
    dice = random.Random(options.seed * 7907)
    with world(options, "killcal", "--events-per-calendar", 20) as w:
        allow(w)
        w.stage.configure(kinds=["calendar"])
        w.stage.sync(expect=(0, 1))
        before = facts(w.stage)
        source = copy_of(w.stage)
        wipe(w.sim)
        w.sim.fault("reset", service="outlook", probability=0.03, seed=3)
        w.sim.fault("error", service="outlook", probability=0.03, seed=4, status=503)
        w.sim.fault("throttle", service="outlook", probability=0.005, seed=6, retry_after="absent")
        command = [w.stage.binary, "--config", w.stage.config_file, "--json", "restore", "--from", source,
                   "--in-place", "--yes"]
        kills = 0
        w.sim.forget_requests()
        for _ in range(15 * options.rounds):
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            goal = w.sim.get("requests")["requests"] + dice.randrange(5, 120)
            while process.poll() is None and w.sim.get("requests")["requests"] < goal:
                pass
            if process.poll() is not None:
                break
            kill(process)
            kills += 1
        w.sim.clear_faults()
        out = restore(w.stage, source, "--in-place", expect=1)
        check(not left_of(out), f"left: {left_of(out)[:5]}")
        check_equal(before, facts(staged_again(w)))
        no_mails(w.sim)
        return f"{kills} kills; {out.summary['kinds']}"


CHOSEN = ["--in-place", "--select", "users/ada@*/calendar/Plans"]
SHORT = {"subject": "Short", "body": {"contentType": "text", "content": "the agenda"}, "location": {"displayName": "Room 1"},
         "start": {"dateTime": "2026-03-02T09:00:00", "timeZone": "UTC"},
         "end": {"dateTime": "2026-03-02T10:00:00", "timeZone": "UTC"}}
DAILY = SHORT | {"subject": "Daily", "recurrence": {
    "pattern": {"type": "daily", "interval": 1},
    "range": {"type": "numbered", "startDate": "2026-03-02", "numberOfOccurrences": 20, "recurrenceTimeZone": "UTC"}}}
INVITED = {"attendees": [{"type": "required", "emailAddress": {"name": "Eve", "address": "eve@fabrikam.example"}}]}


@contextlib.contextmanager
def one_calendar(options, name):
    """A tenant of one user, whose calendar Plans is empty."""
    with World(options, name, "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
               "--messages-per-mailbox", 0, "--files-per-drive", 0, "--events-per-calendar", 0) as w:
        allow(w)
        w.stage.configure(kinds=["calendar"])
        change(w, "new_calendar", name="Plans")
        yield w
        no_mails(w.sim)


def change(w, what, **more):
    return w.sim.post("exchange/calendar/op", op=what, mailbox="ada", **more)


def plans(w):
    """What is in the calendar, by subject: equal subjects are there in a list."""
    out = {}
    for e in expected(w.sim):
        if e["type"] == "event" and e["calendar"] == "Plans":
            out.setdefault(e["graph"]["subject"], []).append(e)
    return out


def forget_journal(w):
    shutil.rmtree(os.path.join(w.stage.root, "restore"), ignore_errors=True)


def names_of(one):
    return sorted(a["name"] for a in one["attachments"])


@scenario
def restore_calendar_occurrence_files(options):
    """calendars: an occurrence keeps what it has from its series and what is its own, also when a request breaks"""
    with one_calendar(options, "occfiles") as w:
        made = change(w, "new", calendar="Plans", set=DAILY, attachments=[{"name": "series.bin", "size": 3000, "seed": 1}])
        for n in (2, 3):
            change(w, "attach", event=made["id"], day="2026-03-05", name=f"own{n}.bin", size=3000, seed=n)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        # The one of the series, and the two of the occurrence: each of the requests breaks once.
        for nth in (1, 2, 3):
            wipe(w.sim)
            forget_journal(w)
            w.sim.fault("reset", path="/attachments$", method="POST", nth=nth, count=1)
            restore(w.stage, source, *CHOSEN)
            check(w.sim.get("faults")["faults"][0]["struck"] == 1, "no request broke")
            w.sim.clear_faults()
            (series,) = plans(w)["Daily"]
            (occurrence,) = series["exceptions"]
            check(names_of(series) == ["series.bin"], f"the series has {names_of(series)}")
            wanted = ["own2.bin", "own3.bin", "series.bin"]
            check(names_of(occurrence) == wanted, f"request {nth} broke: the occurrence has {names_of(occurrence)}")
        return "3 broken requests"


@scenario
def restore_calendar_changed(options):
    """calendars: another version of an event is reported or replaced; what only Exchange moved counts as there"""
    with one_calendar(options, "calchanged") as w:
        ids = {}
        for name, what in (("text", SHORT), ("place", SHORT), ("file", SHORT), ("cancelled", DAILY), ("day", DAILY),
                           ("person", SHORT), ("key", SHORT), ("reminder", SHORT), ("series key", DAILY)):
            ids[name] = change(w, "new", calendar="Plans", set=what | {"subject": name},
                               attachments=[{"name": "a.bin", "size": 3000, "seed": 1}])["id"]
        change(w, "set", event=ids["series key"], day="2026-03-04", set={"subject": "series key 4"})
        w.stage.sync(expect=0)
        source = copy_of(w.stage)

        def damage():
            now = {s: e["id"] for s, (e,) in plans(w).items()}
            change(w, "set", event=now["text"], set={"body": {"contentType": "text", "content": "something else"}})
            change(w, "set", event=now["place"], set={"location": {"displayName": "nowhere"}})
            change(w, "attach", event=now["file"], name="b.bin", size=10, seed=2)
            change(w, "delete", event=now["cancelled"], day="2026-03-06")
            change(w, "set", event=now["day"], day="2026-03-05", set={"subject": "another day"})

        damage()
        change(w, "set", event=ids["person"], set=INVITED)
        for name in ("key", "series key"):
            change(w, "rekey", event=ids[name])
        change(w, "set", event=ids["reminder"], set={"isReminderOn": False})
        before = plans(w)
        w.sim.forget_requests()
        out = restore(w.stage, source, *CHOSEN, expect=1)
        left = {re.search("_(.*)_", x["path"]).group(1): x for x in out.summary["left"]}
        changed = {"text", "place", "file", "cancelled", "day", "person"}
        check(set(left) == changed, f"left are {sorted(left)}")
        check(all(x["state"] == "skipped" and x["reason"] == "another version is there" for x in left.values()), f"{left}")
        check(out.summary["kinds"]["event"]["present"] == 3, f"{out.summary['kinds']}")
        check(plans(w) == before and w.sim.get("requests")["outlook_write"] == 0, "what is there was written")
        out = restore(w.stage, source, *CHOSEN, "--conflict", "replace", expect=1)
        check([x["reason"] for x in out.summary["left"]] ==
              ["another version is there, and replacing a meeting would mail its attendees"], f"{out.summary['left']}")
        after = plans(w)
        check(all(len(all_) == 1 for all_ in after.values()) and after.keys() == before.keys(), f"{sorted(after)}")
        check(after["text"][0]["graph"]["body"]["content"] == "the agenda", "its text is not back")
        check(after["place"][0]["graph"]["location"]["displayName"] == "Room 1", "its place is not back")
        check(names_of(after["file"][0]) == ["a.bin"], f"its files are {names_of(after['file'][0])}")
        check(not after["cancelled"][0]["cancelled"] and not after["day"][0]["exceptions"], "an occurrence is not back")
        check(all(after[n] == before[n] for n in ("person", "key", "reminder", "series key")), "others were written")
        return f"{out.summary['kinds']['event']}"


@scenario
def restore_calendar_replaced(options):
    """calendars: of a replaced event the old version goes in the end, also in a later run, but no meeting does"""
    with one_calendar(options, "calreplaced") as w:
        ids = {n: change(w, "new", calendar="Plans", set=what | {"subject": n})["id"]
               for n, what in (("one", SHORT), ("late", SHORT), ("series", DAILY))}
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        change(w, "set", event=ids["series"], day="2026-03-05", set=INVITED)
        for name in ("one", "late"):
            change(w, "set", event=ids[name], set={"subject": "not " + name})
        replace = [*CHOSEN, "--conflict", "replace"]
        w.sim.fault("error", method="DELETE", status=403, code="ErrorAccessDenied", count=-1)
        out = restore(w.stage, source, *replace, expect=1)
        check(sorted(x["state"] for x in out.summary["left"]) == ["failed", "failed", "skipped"], f"{out.summary['left']}")
        check(sorted(plans(w)) == ["late", "not late", "not one", "one", "series"], f"{sorted(plans(w))}")
        w.sim.clear_faults()
        change(w, "set", event=ids["late"], set=INVITED)
        for _ in range(2):
            out = restore(w.stage, source, *replace, expect=1)
            left = {re.search("_(.*)_", x["path"]).group(1): x["reason"] for x in out.summary["left"]}
            check(set(left) == {"late", "series"} and "stays beside it" in left["late"], f"{left}")
            check(sorted(plans(w)) == ["late", "not late", "one", "series"], f"{sorted(plans(w))}")
        no_mails(w.sim)
        change(w, "set", event=ids["late"], set={"attendees": []})
        out = restore(w.stage, source, *replace, expect=1)
        check(sorted(plans(w)) == ["late", "one", "series"], f"{sorted(plans(w))}")
        check(plans(w)["series"][0]["id"] == ids["series"], "a meeting was replaced")
        return f"{out.summary['kinds']['event']}"


@scenario
def restore_calendar_moved_occurrence(options):
    """calendars: an occurrence that was moved by days is found when a series is finished in a later run"""
    with one_calendar(options, "calmoved") as w:
        made = change(w, "new", calendar="Plans", set=DAILY, attachments=[{"name": "a.bin", "size": 3000, "seed": 1}])
        change(w, "set", event=made["id"], day="2026-03-05",
               set={"start": {"dateTime": "2026-03-12T15:00:00", "timeZone": "UTC"},
                    "end": {"dateTime": "2026-03-12T16:00:00", "timeZone": "UTC"}})
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        takes_place = told_occasions(plans(w)["Daily"][0])
        wipe(w.sim)
        w.sim.fault("error", path="/attachments$", method="POST", status=400, code="ErrorInvalidRequest", count=1)
        out = restore(w.stage, source, *CHOSEN, expect=1)
        check([x["kind"] for x in out.summary["left"]] == ["attachment"], f"{out.summary['left']}")
        w.sim.clear_faults()
        restore(w.stage, source, *CHOSEN)
        (series,) = plans(w)["Daily"]
        check(names_of(series) == ["a.bin"] and told_occasions(series) == takes_place, "it is not as it was")
        # Once people were invited to what is half done, no change goes out to them.
        wipe(w.sim)
        forget_journal(w)
        w.sim.fault("error", path="/attachments$", method="POST", status=400, code="ErrorInvalidRequest", count=1)
        restore(w.stage, source, *CHOSEN, expect=1)
        w.sim.clear_faults()
        (series,) = plans(w)["Daily"]
        change(w, "set", event=series["id"], set=INVITED)
        change(w, "set", event=series["id"], day="2026-03-05", set={"subject": "an occurrence of theirs"})
        out = restore(w.stage, source, *CHOSEN, expect=1)
        check(out.summary["left"][0]["reason"].startswith("people were invited to it since"), f"{out.summary['left']}")
        return f"{len(takes_place)} occurrences"


@scenario
def restore_calendar_unread(options):
    """calendars: one attachment, or one calendar, that can't be read back is told, and the rest is read back"""
    with one_calendar(options, "calunread") as w:
        for name in ("first", "other"):
            change(w, "new", calendar="Plans", set=SHORT | {"subject": name},
                   attachments=[{"name": name + ".bin", "size": 3000, "seed": 1}])
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        wipe(w.sim)
        w.sim.fault("error", path="/attachments/.*value", status=400, code="ErrorCannotOpenFileAttachment", count=-1)
        for _ in range(2):
            out = restore(w.stage, source, *CHOSEN, expect=1)
            check(out.summary["kinds"]["event"]["failed"] == 2 and "failure" not in out.summary, out.told()[-1500:])
            check(all(names_of(e) == [s + ".bin"] for s, (e,) in plans(w).items()), "attachments are there twice")
        w.sim.clear_faults()
        restore(w.stage, source, *CHOSEN)
        w.sim.fault("error", path=r"/calendars/.*/events\?", method="GET", status=403, code="ErrorAccessDenied", count=-1)
        out = restore(w.stage, source, *CHOSEN, expect=1)
        check(len(out.summary["left"]) == 1 and "failure" not in out.summary, out.told()[-1500:])
        check("could not be read back" in out.summary["left"][0]["reason"], f"{out.summary['left']}")
        w.sim.clear_faults()
        restore(w.stage, source, *CHOSEN)
        return f"{out.summary['kinds']}"


@scenario
def restore_calendar_sessions(options):
    """calendars: an upload session that breaks goes on where it is, and one that ended is begun again"""
    with one_calendar(options, "calsessions") as w:
        change(w, "new", calendar="Plans", set=SHORT, attachments=[{"name": "big.bin", "size": 9_000_000, "seed": 1}])
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        # What breaks, and how many sessions it takes.
        ended = {"service": "files", "nth": 2, "count": 2}  # a piece, and how far the session is
        faults = ((1, "reset", {"nth": 2}), (1, "short_body", {"nth": 2}),
                  (2, "error", ended | {"status": 401, "code": "InvalidToken"}),
                  (2, "error", ended | {"status": 404, "code": "ErrorItemNotFound"}))
        for sessions, kind, more in faults:
            wipe(w.sim)
            forget_journal(w)
            before = sessions_begun(w)
            w.sim.fault(kind, path="/_upload/", **more)
            restore(w.stage, source, *CHOSEN)
            w.sim.clear_faults()
            begun = sessions_begun(w) - before
            check(begun == sessions, f"{kind} {more}: {begun} sessions")
            (event,) = plans(w)["Short"]
            check(names_of(event) == ["big.bin"], f"{kind}: it has {names_of(event)}")
        return f"{len(faults)} faults"


def sessions_begun(w):
    return sum("createUploadSession" in x["request"] for x in w.sim.get("log?limit=2000")["log"])
