"""Calendars: every event against what the tenant holds, read by another iCalendar parser."""

import base64
import datetime
import hashlib
import json
import os
import random
import re
import zoneinfo

from cases import scenario
from harness import (
    World, check, check_index, check_manners, check_same_tree, check_spool, kill, local_name, tagged_name,
)

ZONES = {
    "W. Europe Standard Time": "Europe/Berlin", "Eastern Standard Time": "America/New_York",
    "Pacific Standard Time": "America/Los_Angeles", "India Standard Time": "Asia/Kolkata",
    "Tokyo Standard Time": "Asia/Tokyo", "AUS Eastern Standard Time": "Australia/Sydney",
}
UTC = datetime.timezone.utc


def sidecars(stage, top="tree"):
    """(owner's folder, id): sidecar and path of each staged event and calendar."""
    tree = os.path.join(stage.root, top)
    out = {}
    for folder, _, files in os.walk(tree):
        if os.path.basename(folder) != ".m365":
            continue
        for name in files:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                sidecar = json.load(f)
            if sidecar["kind"] == "calendar" and sidecar["type"] != "container":
                path = os.path.join(os.path.dirname(folder), name.removesuffix(".json"))
                owner = "/".join(os.path.relpath(path, tree).split("/")[:2])
                out[owner, sidecar["id"]] = sidecar, path
    return out


def owner_of(line):
    box = line["mailbox"]
    return "groups/" + box["address"].split("@")[0] if box["kind"] == "group" else "users/" + box["address"]


def expected(sim):
    lines = [json.loads(x) for x in sim.ask("GET", "exchange/calendar/expected?mailbox=all").splitlines()]
    return [line for line in lines if line["own"]]


def plain(text):
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text)


def in_time(occasion):
    return tuple(map(str, occasion))


def zone_of(event):
    return zoneinfo.ZoneInfo(ZONES.get(event["zone"], "UTC"))


def window_of(event):
    """Begin and end of what the tenant told of; of whole days, the dates there."""
    begin, end = (datetime.datetime.fromisoformat(t.replace("Z", "+00:00")) for t in event["window"])
    if not event["graph"]["isAllDay"]:
        return begin, end
    begin, end = (t.astimezone(zone_of(event)).date() for t in (begin, end))
    return begin, datetime.datetime.combine(end + datetime.timedelta(1), datetime.time(), UTC)


def told_occasions(event):
    """As the tenant counts them: (start, end, subject)."""
    zone = zone_of(event)
    out = []
    for start, end, subject in event["occasions"]:
        times = [datetime.datetime.fromisoformat(t.replace("Z", "+00:00")) for t in (start, end)]
        if event["graph"]["isAllDay"]:
            times = [t.astimezone(zone).date() for t in times]
        out.append((*times, plain(subject)))
    return sorted(out, key=in_time)


def findable(attachments, item):
    """An inline attachment that no body refers to is told of nowhere (contract Q77)."""
    told = item["hasAttachments"] or "cid:" in ((item.get("body") or {}).get("content") or "")
    return attachments if told else []


def compare_attachments(where, want, told, have, data, found):
    """`told`: of the sidecar; `have`: hashes in the file."""
    readable = [a for a in want if not a["broken"] and a["kind"] != "reference"]
    if [a["sha256"] for a in readable] != have:
        found.append(f"{where}: attachments are {have}, not {readable}")
    if [a["name"] for a in want] != [a["name"] for a in told]:
        found.append(f"{where}: the sidecar names {told}, not {want}")
        return
    for a, t in zip(want, told):
        if (a["broken"] or a["kind"] == "reference") != ("unreadable" in t):
            found.append(f"{where}: {t} is wrong about {a}")
        if a["inline"] and t.get("contentId") != a["content_id"]:
            found.append(f"{where}: {t} has not the content id of {a}")
        if "staged" in t:
            at = t["staged"]["offset"]
            text = data[at:at + t["staged"]["length"]].replace(b"\r\n ", b"")
            if hashlib.sha256(base64.b64decode(text, validate=True)).hexdigest() != a["sha256"]:
                found.append(f"{where}: {t} points to other bytes")


def compare_event(event, sidecar, path, found):
    from ics import Calendar
    with open(path, "rb") as f:
        data = f.read()
    if sidecar["parent_id"] != event["calendar_id"]:
        found.append(f"{path}: lies in {sidecar['parent_id']}, not in {event['calendar_id']}")
    try:
        ics = Calendar(data)
        begin, end = window_of(event)
        have = ics.occurrences(end)
    except (AssertionError, ValueError, KeyError) as e:
        found.append(f"{path}: {type(e).__name__} {e}")
        return
    master = ics.master()
    if str(master["UID"]) != event["uid"]:
        found.append(f"{path}: UID {master['UID']}")
    have = sorted((h for h in have if h[1] > begin or h[0] >= begin), key=in_time)
    want = told_occasions(event)
    if have[:len(want)] != want or (len(want) < 390 and len(have) != len(want)):
        differ = [(h, w) for h, w in zip(have + [None] * 9, want + [None] * 9) if h != w]
        found.append(f"{path}: {len(have)} occurrences, not {len(want)}; first other ones: {differ[:2]}")
    graph, item = event["graph"], sidecar["item"]
    for name in ("subject", "start", "end", "recurrence", "attendees", "organizer", "categories", "changeKey",
                 "body", "onlineMeeting", "location", "sensitivity", "showAs", "type"):
        if item.get(name) != graph.get(name):
            found.append(f"{path}: sidecar has {name}={item.get(name)!r}, not {graph.get(name)!r}")
    attendees = master.get("ATTENDEE", [])
    attendees = attendees if isinstance(attendees, list) else [attendees]
    if len(attendees) != len(graph["attendees"]) or bool(graph["attendees"]) != ("ORGANIZER" in master):
        found.append(f"{path}: {len(attendees)} attendees")
    if bool(master.walk("VALARM")) != bool(graph["isReminderOn"]):
        found.append(f"{path}: reminder")
    want = findable(event["attachments"], item)
    compare_attachments(path, want, item.get("attachments", []), ics.attachments(master), data, found)
    by_day = {x["day"]: x["attachments"] for x in event["exceptions"]}
    for one in item.get("exceptionOccurrences", []):
        day = one["occurrenceId"][-10:]
        mine = [e for e in ics.events if "RECURRENCE-ID" in e and str(e["RECURRENCE-ID"].dt)[:10] == day]
        hashes = ics.attachments(mine[0]) if mine else None
        want = findable(by_day[day], one)
        compare_attachments(f"{path} {day}", want, one.get("attachments", []), hashes, data, found)
    if sorted(x[-10:] for x in item.get("cancelledOccurrences", [])) != event["cancelled"]:
        found.append(f"{path}: cancelled are {item.get('cancelledOccurrences')}, not {event['cancelled']}")


def differences(w, seen):
    """What differs between tree and tenant: a line each. `seen`: what was compared before and did not change."""
    lines = expected(w.sim)
    want = {(owner_of(e), e["id"]): e for e in lines if e["type"] == "event"}
    calendars = {(owner_of(e), e["id"]): e for e in lines if e["type"] == "calendar"}
    check(want, "the tenant has no events: nothing would be compared")
    have = sidecars(w.stage)
    files = {key: value for key, value in have.items() if value[0]["type"] == "file"}
    folders = {key: value for key, value in have.items() if value[0]["type"] == "folder"}
    good = {key for key, e in want.items() if not e["wrong"]}
    found = [f"missing: {want[key]['calendar']} {want[key]['graph']['subject']}" for key in good - files.keys()]
    found += [f"gone, but in the tree: {files[key][1]}" for key in files.keys() - want.keys()]
    found += [f"calendars differ: {key}" for key in calendars.keys() ^ folders.keys()]
    for (owner, number), (_, path) in folders.items():
        name = calendars[owner, number]["name"].encode() if (owner, number) in calendars else b""
        twins = [n for (o, n), c in calendars.items() if o == owner and c["name"].encode() == name]
        wanted = local_name(name, number.encode()) if number == min(twins, default="") else tagged_name(
            name, number.encode())
        if os.path.basename(path).encode() not in (wanted, local_name(name, number.encode())):
            found.append(f"{path}: is not called {wanted}")
    for key in good & files.keys():
        sidecar, path = files[key]
        state = (sidecar["checksum"], path, json.dumps(want[key]))
        if seen.get(key) != state:
            before = len(found)
            compare_event(want[key], sidecar, path, found)
            if len(found) == before:
                seen[key] = state
    return len(want), found


def sync_until_equal(w, seen):
    """A change in the middle of a round may need the round after it."""
    for _ in range(3):
        w.stage.hurry()
        w.stage.sync(expect=(0, 1))
        events, found = differences(w, seen)
        if not found:
            check_index(w.stage)
            check_spool(w.stage)
            return events
    check(False, f"{len(found)} differences: " + "\n  ".join(found[:8]))


def quiet(w):
    before = w.stage.snapshot()
    w.sim.forget_requests()
    w.stage.sync(expect=(0, 1))
    check_same_tree(before, w.stage.snapshot())
    counted = w.sim.get("requests")
    return counted


@scenario
def calendar(options):
    """calendars under random changes, faults and kills: every occurrence compared by another parser"""
    dice = random.Random(options.seed * 31)
    batches = 6 * options.rounds
    seen = {}
    with World(options, "calendar", "--seed", dice.randrange(1, 10**6), "--users", 2, "--sites", 0, "--groups", 1,
               "--messages-per-mailbox", 2, "--files-per-drive", 1, "--events-per-calendar", 24) as w:
        w.stage.configure(kinds=["calendar", "groups"])
        w.sim.post("exchange/settings", strict_cancelled=dice.random() < 0.5)
        w.stage.sync(expect=(0, 1))
        sync_until_equal(w, seen)
        counted = quiet(w)
        check(counted["event_get"] <= 2 and counted["attachments"] == 0, f"a quiet pass asked for events: {counted}")
        for batch in range(batches):
            w.sim.post("exchange/calendar/change", seed=dice.randrange(10**9), count=25)
            trouble(w, dice, batch)
            events = sync_until_equal(w, seen)
        moves(w, seen)
        shifted_pages(w, seen)
        quiet(w)
        rebuilt(w)
        verified = w.stage.run("verify")
        check(verified.exit == 0, f"verify: {verified.told()[-1500:]}")
        check_manners(w.sim)
        check(w.sim.get("exchange/tenant")["invitations_sent"] == 0, "staging invited somebody")
    return f"{batches} batches, {events} events at the end"


def trouble(w, dice, batch):
    """Faults and kills while the batch is staged."""
    if batch % 3 == 1:
        w.sim.fault("error", path="/(events|calendars|attachments)", service="outlook", status=503, probability=0.1,
                    seed=dice.randrange(10**6))
        # Without Retry-After: the next pass is another process, and an answer that a reset cuts off is not read.
        w.sim.fault("throttle", service="outlook", probability=0.02, retry_after="absent", seed=dice.randrange(10**6))
        w.sim.fault("item_not_found", service="outlook", probability=0.3, seed=dice.randrange(10**6))
        w.sim.fault("reset", service="outlook", path="value", probability=0.2, seed=dice.randrange(10**6))
        w.stage.sync(expect=(0, 1))
        w.sim.clear_faults()
    if batch % 3 == 2:
        w.sim.fault("delay", service="outlook", probability=0.3, delay_ms=20, seed=1)
        for _ in range(4):
            process = w.stage.start()
            asked = w.sim.get("requests")["requests"]
            goal = asked + dice.randrange(1, 60)
            while process.poll() is None and w.sim.get("requests")["requests"] < goal:
                pass
            kill(process)
            check_index(w.stage)
        w.sim.clear_faults()


def moves(w, seen):
    """Between calendars, also when nothing else says that the event moved; bytes that come out the same."""
    mailbox = "ada"
    w.sim.post("exchange/calendar/op", op="new_calendar", mailbox=mailbox, name="Elsewhere")
    made = w.sim.post("exchange/calendar/op", op="new", mailbox=mailbox, calendar="Calendar", seed=5)
    sync_until_equal(w, seen)
    key = next(k for k in sidecars(w.stage) if k[1] == made["id"])
    inode = os.stat(sidecars(w.stage)[key][1])
    w.sim.post("exchange/calendar/op", op="quiet_move", mailbox=mailbox, event=made["id"], to="Elsewhere")
    sync_until_equal(w, seen)
    moved = sidecars(w.stage)[key][1]
    check("/Elsewhere/" in moved and os.stat(moved).st_ino == inode.st_ino, f"no rename: {moved}")
    before = os.stat(moved)
    w.sim.post("exchange/calendar/op", op="rekey", mailbox=mailbox, event=made["id"])
    sync_until_equal(w, seen)
    after = os.stat(moved)
    check((after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns), "equal bytes were written again")


def shifted_pages(w, seen):
    """An event goes while a calendar is listed in pages, and those behind it move up: none is taken for gone."""
    w.sim.post("exchange/settings", page_max=5)
    w.sim.fault("mutate_between_pages", service="outlook", path="calendars", count=3)
    last = w.stage.rows("SELECT max(generation) AS g FROM change")[0]["g"]
    w.stage.sync(expect=(0, 1))
    struck = w.sim.get("faults")
    w.sim.clear_faults()
    deleted = w.stage.rows("SELECT old_path FROM change WHERE what=6 AND generation>?", last)
    check(len(deleted) <= 3, f"only three events went, not {[d['old_path'] for d in deleted]}: {struck}")
    _, found = differences(w, seen)
    found = [f for f in found if not f.startswith("gone")]  # of those that went behind the last look
    check(not found, f"after one pass: {found[:5]}")
    w.sim.post("exchange/settings", page_max=1000)
    sync_until_equal(w, seen)


def rebuilt(w):
    """Without its index the tree goes on, and nothing is asked for again."""
    for name in os.listdir(w.stage.root):
        if name.startswith("index.db"):
            os.remove(os.path.join(w.stage.root, name))
    out = w.stage.run("index", "rebuild")
    check(out.exit == 0, f"index rebuild: {out.told()[-1500:]}")
    before = w.stage.snapshot()
    w.sim.forget_requests()
    w.stage.sync(expect=(0, 1))
    tree = {p: f for p, f in w.stage.snapshot().items() if b".m365stage" not in p}
    check(tree == {p: f for p, f in before.items() if b".m365stage" not in p}, "the pass after touched the tree")
    counted = w.sim.get("requests")
    check(counted["event_get"] <= 2, f"events were asked for again: {counted}")
