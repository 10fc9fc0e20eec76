"""Contacts, tasks and mailbox settings against what the tenant holds. vCards are read by another parser (vobject)."""

import base64
import calendar
import hashlib
import json
import os
import random
import time

import vobject

from cases import scenario
from harness import World, check, check_index, check_manners, check_same_tree, check_spool, kill, short_tag

NOT_STAGED = {"id", "changeKey", "lastModifiedDateTime", "parentFolderId", "@odata.etag"}
LINK_MEMBERS = ("applicationName", "displayName", "externalId", "webUrl")


def without_empty(value):
    if isinstance(value, dict):
        kept = {k: without_empty(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in (None, "", [], {})}
    return [without_empty(v) for v in value] if isinstance(value, list) else value


def staged(stage, kind):
    """(mailbox, id): sidecar and path of each staged file of that kind, and the paths of its folders."""
    users = os.path.join(stage.root, "tree/users")
    files, folders = {}, set()
    for folder, _, names in os.walk(users):
        if os.path.basename(folder) != ".m365":
            continue
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8") as f:
                sidecar = json.load(f)
            path = os.path.relpath(os.path.join(os.path.dirname(folder), name.removesuffix(".json")), users)
            if sidecar["kind"] == kind and sidecar["type"] == "file":
                files[path.split("/")[0], sidecar["id"]] = sidecar, path
            elif sidecar["kind"] == kind and sidecar["type"] == "folder":
                folders.add((path.split("/")[0], sidecar["id"]))
    return files, folders


def seconds(stamp):
    return calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ"))


def card_facts(data):
    """What a reader of vCards sees."""
    card = vobject.readOne(data.decode("utf-8"), allowQP=False)
    listed = {name: [str(line.value) for line in card.contents.get(name, [])] for name in ("email", "tel", "note", "x-child")}
    place = {params(a): [flat(a.value.street), flat(a.value.city), flat(a.value.region), flat(a.value.code),
                         flat(a.value.country)] for a in card.contents.get("adr", [])}
    photo = [hashlib.sha256(p.value).hexdigest() for p in card.contents.get("photo", [])]
    return {"fn": card.fn.value, "n": [flat(card.n.value.family), flat(card.n.value.given)], "adr": place, "photo": photo,
            **listed}


def params(line):
    return ",".join(line.params.get("TYPE", []))


def flat(value):
    return ",".join(value) if isinstance(value, list) else value


def plain(text):
    """As a vCard can hold it: no control characters but line breaks."""
    text = (text or "").replace("\r\n", "\n").replace("\r", "\n")
    return "".join(" " if (c < " " and c != "\n") or c == "\x7f" else c for c in text)


def wanted_card(contact, photo):
    places = {"WORK": "businessAddress", "HOME": "homeAddress", "X-OTHER": "otherAddress"}
    adr = {}
    for name, key in places.items():
        parts = [plain(contact.get(key, {}).get(p)) for p in ("street", "city", "state", "postalCode", "countryOrRegion")]
        if any(parts):
            adr[name] = parts
    phones = [contact.get("mobilePhone")] + contact.get("businessPhones", []) + contact.get("homePhones", [])
    return {"fn": plain(contact.get("displayName") or contact.get("companyName") or ""),
            "n": [plain(contact.get("surname")), plain(contact.get("givenName"))], "adr": adr,
            "photo": [photo["sha256"]] if photo else [],
            "email": [m["address"] for m in contact.get("emailAddresses", [])], "tel": [p for p in phones if p],
            "note": [plain(contact["personalNotes"])] if contact.get("personalNotes") else [],
            "x-child": contact.get("children", [])}


def contact_differences(want, data):
    lines = data.split(b"\r\n")
    found = [f"a line of {len(line)} bytes" for line in lines if len(line) > 75]
    have, card = card_facts(data), wanted_card(without_empty(want["object"]), want.get("photo"))
    return found + [f"{k}: {have[k]!r}, not {card[k]!r}" for k in card if have[k] != card[k]]


def task_differences(want, data):
    document = json.loads(data)
    have = {
        "task": document["task"],
        "checklist": sorted(map(json.dumps, document["checklistItems"])),
        "links": sorted(json.dumps(link, sort_keys=True) for link in document["linkedResources"]),
        "attachments": sorted((a["name"], a["size"], hashlib.sha256(base64.b64decode(a["contentBytes"])).hexdigest())
                              for a in document["attachments"]),
    }
    there = {
        "task": item_of(want),
        "checklist": sorted(json.dumps(c, sort_keys=True) for c in want["checklist"]),
        "links": sorted(json.dumps({k: link[k] for k in LINK_MEMBERS if k in link}, sort_keys=True)
                        for link in want["links"]),
        "attachments": sorted((a["name"], a["size"], a["sha256"]) for a in want["attachments"]),
    }
    return [f"{k}: {have[k]!r}, not {there[k]!r}" for k in there if have[k] != there[k]]


def item_of(want):
    return without_empty({k: v for k, v in want["object"].items() if k not in NOT_STAGED})


def differences(w, kind, type_name):
    """What differs between tree and tenant, a line each."""
    lines = w.sim.get("exchange/records/expected")
    mine = [e for e in lines if e.get("kind") == type_name and e.get("well_known") != "flaggedEmails"]
    want = {(e["mailbox"], e["id"]): e for e in mine if e["what"] == "item"}
    check(want, "the tenant has none: nothing would be compared")
    have, folders = staged(w.stage, kind)
    found = [f"missing: {want[key]['path']} {key}" for key in want.keys() - have.keys()]
    found += [f"gone, but in the tree: {have[key][1]}" for key in have.keys() - want.keys()]
    found += [f"folders: {folders ^ {(e['mailbox'], e['id']) for e in mine if e['what'] == 'folder'}}"] \
        if folders != {(e["mailbox"], e["id"]) for e in mine if e["what"] == "folder"} else []
    for key in want.keys() & have.keys():
        line, (sidecar, path) = want[key], have[key]
        where = os.path.join(w.stage.root, "tree/users", path)
        with open(where, "rb") as f:
            data = f.read()
        told = contact_differences(line, data) if kind == "contacts" else task_differences(line, data)
        if sidecar["item"] != item_of(line):
            told.append(f"sidecar: {sidecar['item']}, not {item_of(line)}")
        if int(os.stat(where).st_mtime) != seconds(line["object"]["lastModifiedDateTime"]):
            told.append("mtime is not lastModifiedDateTime")
        if not path.rsplit(".", 1)[0].endswith("_" + short_tag(key[1].encode(), 10)):
            told.append("the name has no tag")
        found += [f"{path}: {one}" for one in told]
    return len(want), found


def sync_until_equal(w, kinds):
    """A change in the middle of a round may need the round after it."""
    for _ in range(4):
        w.stage.hurry()
        w.stage.sync(expect=(0, 1))
        counts, found = zip(*(differences(w, kind, name) for kind, name in kinds.items()))
        found = sum(found, [])
        if not found:
            return sum(counts)
    check(False, f"tree and tenant differ ({len(found)}): {found[:6]}")


KINDS = {"contacts": "contact", "tasks": "todoTask"}


def check_untouched(w):
    before = w.stage.snapshot()
    w.stage.sync(expect=0)
    check_same_tree(before, w.stage.snapshot())


@scenario
def records(options):
    """contacts and tasks under random changes, lost cursors and kills: everything compared, unchanged ones not touched"""
    dice = random.Random(options.seed)
    batches = 6 * options.rounds
    with World(options, "records", "--seed", dice.randrange(1, 10**6), "--users", 2, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 1) as w:
        w.stage.configure(kinds=["contacts", "tasks"])
        w.sim.post("exchange/settings", page_max=7)
        w.sim.post("exchange/limits", concurrency=4)
        w.sim.post("exchange/records/op", mailbox="ada", op="new", what="tasks", set={"title": "large"})
        w.stage.sync(expect=0)
        check_untouched(w)
        kills = 0
        for batch in range(batches):
            w.sim.post("exchange/records/change", seed=dice.randrange(10**9), count=25)
            if batch % 3 == 2:
                w.sim.fault("resync", probability=0.3, seed=dice.randrange(10**6))
                w.sim.fault("item_not_found", service="outlook", probability=0.3, seed=dice.randrange(10**6))
                w.sim.fault("duplicates", probability=0.3, seed=dice.randrange(10**6))
                w.sim.fault("error", service="outlook", probability=0.05, status=503, seed=dice.randrange(10**6))
                w.stage.sync(expect=(0, 1))
                w.stage.sync(expect=(0, 1))
                w.sim.clear_faults()  # while they last, no number of passes is enough for certain
            if batch % 3 == 1:
                process = w.stage.start()
                time.sleep(dice.random() * 0.4)
                kills += process.poll() is None
                kill(process)
            count = sync_until_equal(w, KINDS)
        w.stage.hurry()
        w.stage.sync(expect=0)  # what the last faults left owed
        check_untouched(w)
        for kind in KINDS:
            w.sim.post("exchange/records/op", mailbox="ada", op="forget_sync_state", what=kind)
        check_untouched(w)
        check_index(w.stage)
        check_spool(w.stage)
        verified = w.stage.run("verify")
        check(verified.exit == 0, f"verify: {verified.told()[-1500:]}")
        rebuilt(w)
        check_manners(w.sim)
        refused = w.sim.get("exchange/limits")["sum"]["refused_concurrency"]
        check(refused == 0, f"{refused} requests beyond the concurrency of a mailbox")
    return f"{batches} batches, {kills} kills, {count} records at the end"


def rebuilt(w):
    """An index made of the sidecars alone goes on without touching a file."""
    os.remove(os.path.join(w.stage.root, "index.db"))
    out = w.stage.run("index", "rebuild")
    check(out.exit == 0, f"index rebuild: {out.told()[-1500:]}")
    before = w.stage.snapshot()
    w.stage.sync(expect=0)
    check_same_tree(before, w.stage.snapshot(), "the pass after a rebuild touched the tree")


@scenario
def records_special(options):
    """photos, moves, nested folders that the feed omits, clouds without delta, full mailboxes, settings, large attachments"""
    with World(options, "recspecial", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 2) as w:
        w.stage.configure(kinds=["mail", "contacts", "tasks"])
        op = lambda **more: w.sim.post("exchange/records/op", mailbox="ada", **more)
        w.sim.post("exchange/settings", hide_nested_folders=True)
        w.stage.sync(expect=(0, 1))
        sync_until_equal(w, KINDS)
        deep = op(op="new_folder", parent="Friends", name="Deeper")["folder"]
        one = op(op="new", folder=deep, set={"displayName": "Deep One"})["id"]
        sync_until_equal(w, KINDS)
        check_photo(w, op, one)
        moved = os.path.join(w.stage.root, "tree/users", staged(w.stage, "contacts")[0]["ada@contoso.example", one][1])
        inode = os.stat(moved).st_ino
        op(op="move", id=one, to="contacts")
        sync_until_equal(w, KINDS)
        there = os.path.join(w.stage.root, "tree/users", staged(w.stage, "contacts")[0]["ada@contoso.example", one][1])
        check(os.stat(there).st_ino == inode and there != moved, "a moved contact was made anew")
        op(op="delete_folder", folder=deep)
        sync_until_equal(w, KINDS)
        task = op(op="new", what="tasks", set={"title": "with much"})["id"]
        op(op="attach", what="tasks", id=task, name="much.bin", size=20 << 20)
        sync_until_equal(w, KINDS)
        check_settings(w)
        w.sim.post("exchange/settings", hide_nested_folders=False, no_record_delta=True)
        for kind in KINDS:
            op(op="forget_sync_state", what=kind)
        w.sim.post("exchange/op", mailbox="bela", op="over_quota", on=True)
        w.sim.post("exchange/records/change", seed=options.seed, count=40)
        sync_until_equal(w, KINDS)
        w.sim.post("exchange/op", mailbox="bela", op="over_quota", on=False)
        check_untouched(w)
        check_manners(w.sim)


@scenario
def settings_refused(options):
    """rules or categories that are refused once: what is staged of them stays, and a person is told"""
    with World(options, "setrefused", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 0) as w:
        w.stage.configure(kinds=["mail"])
        w.sim.fault("error", path="/masterCategories", status=400, code="BadRequest", count=-1)
        w.stage.sync(expect=0)  # never offered: nothing to tell
        check("masterCategories" not in settings_of(w), "categories came from nowhere")
        w.sim.clear_faults()
        w.stage.sync(expect=0)
        before = w.stage.snapshot()
        for path in ("/messageRules", "/masterCategories"):
            for status, code in ((400, "BadRequest"), (404, "ErrorItemNotFound"), (500, "ErrorCorruptData"),
                                 (501, "NotImplemented")):
                w.sim.fault("error", path=path, status=status, code=code, count=-1)
                out = w.stage.sync(expect=1)
                w.sim.clear_faults()
                check(code in out.told(), f"{path} {code} is not told: {out.told()[-500:]}")
                check_same_tree(before, w.stage.snapshot(), f"{path} {code}")
        w.stage.sync(expect=0)
        check_same_tree(before, w.stage.snapshot())
        check_settings(w)


def check_photo(w, op, contact):
    """A photo comes, stays and goes; a change that changes no byte leaves the file alone."""
    op(op="photo", id=contact, seed=5)
    sync_until_equal(w, KINDS)
    path = os.path.join(w.stage.root, "tree/users", staged(w.stage, "contacts")[0]["ada@contoso.example", contact][1])
    before = os.stat(path).st_ino
    op(op="photo", id=contact, seed=5)
    sync_until_equal(w, KINDS)
    check(os.stat(path).st_ino == before, "equal bytes were placed again")
    op(op="no_photo", id=contact)
    sync_until_equal(w, KINDS)


def settings_of(w, mailbox="ada@contoso.example"):
    with open(os.path.join(w.stage.root, "tree/users", mailbox, "settings/settings.json"), encoding="utf-8") as f:
        return json.load(f)


def check_settings(w):
    have = settings_of(w)
    told = [e for e in w.sim.get("exchange/records/expected?mailbox=ada") if e["what"] == "settings"][0]
    check(have["messageRules"] == told["rules"], f"rules: {have['messageRules']}")
    check(sorted(c["displayName"] for c in have["masterCategories"]) == sorted(c["displayName"] for c in told["categories"]),
          f"categories: {have['masterCategories']}")
    check(have["mailboxSettings"]["timeZone"] == told["settings"]["timeZone"], f"settings: {have['mailboxSettings']}")
    replies = have["mailboxSettings"]["automaticRepliesSetting"]
    check(replies["status"] == "disabled" and "scheduledStartDateTime" not in replies, f"replies: {replies}")


def not_clear(w, path, **more):
    """A gateway in between answers 404 with a page of its own."""
    w.sim.fault("html", path=path, status=404, **more)


@scenario
def records_unclear(options):
    """a gateway's 404 is no word of the service: photos, nested folders, attachments and rules stay what they are"""
    with World(options, "recunclear", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 0) as w:
        w.stage.configure(kinds=["mail", "contacts", "tasks"])
        op = lambda **more: w.sim.post("exchange/records/op", mailbox="ada", **more)
        w.sim.post("exchange/settings", hide_nested_folders=True)
        one = op(op="new", folder="Friends", set={"displayName": "With Photo"})["id"]
        op(op="photo", id=one, seed=5)
        deep = op(op="new_folder", parent="Friends", name="Deeper")["folder"]
        op(op="new", folder=deep, set={"displayName": "Deep One"})
        task = op(op="new", what="tasks", set={"title": "with much"})["id"]
        op(op="attach", what="tasks", id=task, name="much.bin", size=5000)
        not_clear(w, "/photo/", count=-1)
        not_clear(w, "/todo/.*/attachments/", count=-1)
        w.stage.sync(expect=1)
        w.stage.sync(expect=1)
        w.sim.clear_faults()
        sync_until_equal(w, KINDS)
        rules = settings_of(w)["messageRules"]
        for kind in KINDS:
            op(op="forget_sync_state", what=kind)
        not_clear(w, "/childFolders", count=2)
        not_clear(w, "/messageRules", count=2)
        w.stage.sync(expect=0)
        found = [line for kind, name in KINDS.items() for line in differences(w, kind, name)[1]]
        check(not found, f"after a full round: {found[:5]}")
        check(settings_of(w)["messageRules"] == rules, "the rules are gone")
        no_photo_after_all(w, op)
        check_manners(w.sim)


def no_photo_after_all(w, op):
    """A cloud whose 404s have no code: after some tries a contact without a photo is one."""
    plain = op(op="new", folder="Friends", set={"displayName": "Without Photo"})["id"]
    not_clear(w, "/photo/", count=-1)
    for tries in range(4):
        w.stage.hurry()
        w.stage.sync(expect=1 if tries < 3 else 0)
    check(("ada@contoso.example", plain) in staged(w.stage, "contacts")[0], "it waits for ever")
    w.sim.clear_faults()
