"""Mailboxes and drives that the service serves badly, and what a stage does about it."""

import glob
import json
import os

from cases import scenario
from cases.mail import differences, staged_messages, sync_until_equal
from harness import World, check, check_index, check_manners, check_same_tree, check_quiet, compare


def mailboxes(options, name, *more):
    return World(options, name, "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0, "--specials", 0,
                 "--messages-per-mailbox", 60, *more)


def op(w, what, **more):
    return w.sim.post("exchange/op", op=what, mailbox="ada", **more)


def messages(w, mailbox="ada"):
    lines = w.sim.ask("GET", f"exchange/expected?mailbox={mailbox}&hashes=1").splitlines()
    return [e for e in map(json.loads, lines) if e["type"] == "message"]


def modes(stage):
    return {row["listing"] for row in stage.rows("SELECT listing FROM stream")}


def check_untouched(w):
    before = w.stage.snapshot()
    w.stage.sync(expect=(0, 1))
    check_same_tree(before, w.stage.snapshot())


@scenario
def unserialisable(options):
    """a message that spoils every page it is on: the others are staged, it is owed alone, until it is mended"""
    with mailboxes(options, "poison") as w:
        w.stage.configure(kinds=["mail"])
        w.stage.sync(expect=(0, 1))
        known = next(m for m in messages(w) if not m["recoverable"])
        op(w, "wrong", message=known["id"], wrong="unserialisable")
        new = op(w, "new_message", folder="inbox", size=3000, seed=5)["id"]
        op(w, "wrong", message=new, wrong="unserialisable")
        op(w, "new_message", folder="inbox", size=3000, seed=6)
        w.sim.post("exchange/op", op="forget_sync_state", mailbox="ada")
        out = w.stage.sync(expect=(1,))
        _, found = differences(w)
        # What was staged of the known one stays, and did not change: nothing of it is owed.
        found = [line for line in found if known["id"] not in line and "gone, but in the tree" not in line]
        check(not found, f"one bad message spoiled others: {found[:5]}")
        check(any(key[1] == known["id"] for key in staged_messages(w.stage)), "the staged version was removed")
        owed = w.stage.rows("SELECT i.remote_id, p.reason, p.error FROM pending AS p JOIN item AS i ON i.id=p.item_id"
                            " WHERE p.reason IS NOT NULL")
        check({row["remote_id"] for row in owed} == {new}, f"owed are {[tuple(r) for r in owed]}")
        listed = [json.loads(line) for line in w.stage.run("ls", "--json").stdout.splitlines()]
        failed = {i["id"]: i for i in listed if i["state"] == "failed"}
        check(set(failed) == {new} and failed[new]["type"] == "message", f"ls shows {failed}")
        check(out.exit == 1, out.told())
        check_untouched(w)
        for message in (known["id"], new):
            op(w, "wrong", message=message, wrong="none")
        sync_until_equal(w)
        w.stage.write("UPDATE setting SET value=value-86400 WHERE key LIKE 'detour %'")
        w.stage.sync(expect=(0,))
        check(modes(w.stage) == {0}, "no way back to the delta")
        check_manners(w.sim)
    return f"owed: {owed[0]['reason']}"


def folder_of(w, message):
    """Where a message of ada's lies in the tree, without its month."""
    path = staged_messages(w.stage)["ada@contoso.example", message][1]
    top = os.path.join(w.stage.root, "tree/users/ada@contoso.example/mail")
    return os.path.relpath(os.path.dirname(os.path.dirname(path)), top)


def check_folders(w, places):
    """Each of these messages is where the tenant has it, and so is the rest."""
    sync_until_equal(w)
    for message, place in places.items():
        check(folder_of(w, message) == place, f"in {folder_of(w, message)}, not in {place}")


@scenario
def mail_folders(options):
    """folders that the feed omits, that do not tell their parent, of which it tells only what changed"""
    with mailboxes(options, "mailfolders") as w:
        w.stage.configure(kinds=["mail"])
        folder = lambda name, parent: op(w, "new_folder", name=name, parent=parent)["folder"]
        message = lambda place: op(w, "new_message", folder=place, size=2000, seed=8)["id"]
        top = folder("Top", "msgfolderroot")
        below = folder("Below", top)
        deepest = folder("Deepest", below)
        places = {message(top): "Top", message(below): "Top/Below", message(deepest): "Top/Below/Deepest"}
        w.sim.post("exchange/settings", hide_nested_mail=True, null_parents=True)
        w.stage.sync(expect=(0, 1))
        check_folders(w, places)
        check_untouched(w)
        # The feed will not tell of this, nor that it goes.
        op(w, "rename_folder", folder=below, name="Under")
        check_folders(w, dict(zip(places, ["Top", "Top/Under", "Top/Under/Deepest"])))
        # What can't be told for a while is not gone.
        w.sim.fault("error", path="/childFolders", status=500, code="ErrorInternalServerError", count=-1)
        out = w.stage.sync(expect=(1,))
        check("childFolders" in out.told() or "ErrorInternalServerError" in out.told(), out.told())
        w.sim.clear_faults()
        check_folders(w, dict(zip(places, ["Top", "Top/Under", "Top/Under/Deepest"])))
        op(w, "purge_folder", folder=deepest)
        check_folders(w, dict(list(zip(places, ["Top", "Top/Under"]))))
        check(not os.path.exists(os.path.join(w.stage.root, "tree/users/ada@contoso.example/mail/Top/Under/Deepest")),
              "a folder that is gone is still in the tree")
        w.sim.post("exchange/settings", hide_nested_mail=False, null_parents=False, sparse_folders=True)
        mine = [folder(f"Folder {n}", top) for n in range(4)]
        told = {message(f): f"Top/Folder {n}" for n, f in enumerate(mine)}
        check_folders(w, told)
        for n, f in enumerate(mine):
            op(w, "rename_folder", folder=f, name=f"Other {n}")
        check_folders(w, {m: f"Top/Other {n}" for n, m in enumerate(told)})
        for f in mine:
            op(w, "move_folder", folder=f, to=below)
        check_folders(w, {m: f"Top/Under/Other {n}" for n, m in enumerate(told)})
        check_untouched(w)
        w.sim.post("requests/reset")
        w.stage.sync(expect=(0, 1))
        asked = json.dumps(w.sim.get("requests"))
        check("childFolders" not in asked, f"an unchanged mailbox asks for children: {asked[:500]}")
        check_manners(w.sim)


def calendar_op(w, what, **more):
    return w.sim.post("exchange/calendar/op", op=what, mailbox="ada", **more)


def record_op(kind):
    def run(w, what, **more):
        return w.sim.post("exchange/records/op", op=what, mailbox="ada", what=kind, **more)
    return run


# kind: (the one who changes it, what names an object of it, a property of it to set)
RECORDS = {"calendar": (calendar_op, "event", "subject"), "contacts": (record_op("contacts"), "id", "displayName"),
           "tasks": (record_op("tasks"), "id", "title")}


def staged_names(stage, kind):
    """id: (path, inode, ctime) of the files of that kind."""
    listed = [json.loads(line) for line in stage.run("ls", "--json").stdout.splitlines()]
    mine = [i for i in listed if f"ada@contoso.example/{kind}" == i["container"].split("/", 1)[1] and i["type"] != "folder"]
    at = {i["id"]: os.path.join(stage.root, "tree", i["path"]) for i in mine if i["state"] == "staged"}
    told = {number: (path, os.stat(path)) for number, path in at.items()}
    return {number: (path, s.st_ino, s.st_ctime_ns) for number, (path, s) in told.items()}, \
        {i["id"]: i["state"] for i in mine if i["state"] != "staged"}


@scenario
def unserialisable_records(options):
    """events, contacts and tasks that spoil every page they are on: as with messages, they alone are owed"""
    with mailboxes(options, "poisonrec", "--events-per-calendar", 20) as w:
        w.stage.configure(kinds=["calendar", "contacts", "tasks"])
        w.sim.post("exchange/settings", page_max=7)
        first, new, later = {}, {}, {}
        for kind, (change, name, _) in RECORDS.items():
            first[kind] = change(w, "new", seed=4)["id"]
            for seed in range(10, 30):
                change(w, "new", seed=seed)
        w.stage.sync(expect=0)
        before = {kind: staged_names(w.stage, kind)[0] for kind in RECORDS}
        for kind, (change, name, _) in RECORDS.items():
            change(w, "wrong", **{name: first[kind]}, wrong="unserialisable")
            new[kind] = change(w, "new", seed=5)["id"]
            change(w, "wrong", **{name: new[kind]}, wrong="unserialisable")
            later[kind] = change(w, "new", seed=6)["id"]
            change(w, "forget_sync_state")
        w.stage.sync(expect=(1,))
        for kind in RECORDS:
            have, owed = staged_names(w.stage, kind)
            check(owed == {new[kind]: "failed"}, f"{kind}: owed are {owed}")
            check(before[kind].items() <= have.items(), f"{kind}: {before[kind].keys() - have.keys()} is gone or moved")
            check(have.keys() - before[kind].keys() == {later[kind]}, f"{kind}: what came besides is not there")
        check_untouched(w)
        for kind, (change, name, member) in RECORDS.items():
            change(w, "wrong", **{name: first[kind]}, wrong="none")
            change(w, "wrong", **{name: new[kind]}, wrong="none")
            change(w, "set", **{name: first[kind]}, set={member: "mended"})
        w.stage.hurry()
        w.stage.sync(expect=0)
        for kind in RECORDS:
            have, owed = staged_names(w.stage, kind)
            check(not owed and new[kind] in have, f"{kind}: the mended one is {owed}")
            check("mended" in have[first[kind]][0], f"{kind}: {have[first[kind]]} does not show the change")
        w.stage.write("UPDATE setting SET value=value-86400 WHERE key LIKE 'detour %'")
        w.stage.sync(expect=0)
        check(modes(w.stage) == {0}, "no way back to full pages")
        check_manners(w.sim)
    return ""


@scenario
def over_quota(options):
    """a mailbox whose delta is refused: folders are walked, messages listed, and the delta comes back"""
    with mailboxes(options, "quota") as w:
        w.stage.configure(kinds=["mail"])
        w.stage.sync(expect=(0, 1))
        top = op(w, "new_folder", parent="inbox", name="Top")["folder"]
        op(w, "new_folder", parent=top, name="Below")
        op(w, "new_message", folder="Inbox/Top/Below", size=2000, seed=3)
        op(w, "over_quota", on=True)
        before = w.sim.downloads()
        sync_until_equal(w)
        check(1 in modes(w.stage), "the folders were not listed")
        again = {m for m, n in w.sim.downloads().items() if n > before.get(m, 0) and m in before}
        check(not again, f"downloaded again: {again}")
        check_untouched(w)
        op(w, "rename_folder", folder="Inbox/Top/Below", name="Renamed")
        op(w, "move_folder", folder="Inbox/Top", to="archive")
        some = [m["id"] for m in messages(w) if m["path"] == ["Inbox"] and not m["draft"]][:9]
        check(len(some) == 9, f"only {len(some)} messages in the inbox")
        for message in some[:6]:
            op(w, "move", message=message, to="archive")
        op(w, "delete", message=some[6])
        op(w, "purge", message=some[7])
        op(w, "flag", message=some[8], flag="flagged")
        w.sim.post("requests/reset")
        sync_until_equal(w)
        check(not w.sim.downloads(), f"moves were downloads: {w.sim.downloads()}")
        w.sim.post("exchange/change", seed=options.seed, count=40, mailbox="ada")
        sync_until_equal(w)
        op(w, "over_quota", on=False)
        sync_until_equal(w)
        check(modes(w.stage) == {0}, "no way back to the delta")
        check_untouched(w)
        check_manners(w.sim)
    return ""


@scenario
def recoverable_items(options):
    """what users deleted for good, staged on request and taken away again when it is not wanted"""
    with mailboxes(options, "recover") as w:
        w.stage.configure(kinds=["mail"], mail={"recoverable_items": True})
        some = [m["id"] for m in messages(w) if not m["recoverable"]][:3]
        for message in some:
            op(w, "soft_delete", message=message)
        w.stage.sync(expect=(0, 1))
        have = {key[1]: path for key, (_, path) in staged_messages(w.stage).items()}
        for message in some:
            check("/mail/Recoverable Items/Deletions/" in have.get(message, ""), f"{message} is at {have.get(message)}")
        check_untouched(w)
        w.sim.post("exchange/op", op="forget_sync_state", mailbox="ada")
        check_untouched(w)
        w.stage.configure(mail={"recoverable_items": False})
        w.stage.sync(expect=(0, 1))
        _, found = differences(w)
        check(not found, f"tree and tenant differ: {found[:5]}")
        check(not os.path.exists(os.path.join(w.stage.root, "tree/users/ada@contoso.example/mail/Recoverable Items")),
              "an empty folder is left")
        check_manners(w.sim)
    return ""


def doubtful_removal(w):
    """A file is gone, and a gateway's page is the answer to the question for it: that takes nothing away."""
    w.sim.op("create", user="ada", path="doubtful.txt", type="file", size=10, seed=1)
    w.stage.sync(expect=(0, 1))
    staged = glob.glob(os.path.join(w.stage.root, "tree/users/ada@*/**/doubtful.txt"), recursive=True)
    check(len(staged) == 1, f"staged: {staged}")
    w.sim.op("delete", user="ada", path="doubtful.txt")
    wall = w.sim.fault("html", method="GET", path=r"/items/[^/?]+(\?|$)", status=404, count=-1)
    w.stage.hurry()
    w.stage.sync(expect=1)
    check(os.path.exists(staged[0]), "a file was removed for a gateway's 404")
    w.sim.delete(f"faults/{wall['ids'][0]}")
    w.stage.hurry()
    w.stage.sync(expect=(0, 1))
    check(not os.path.exists(staged[0]), "the file is still there")


@scenario
def no_drive_delta(options):
    """a cloud without drive delta: children are walked, moves stay renames, and the delta comes back"""
    with World(options, "walk", "--seed", options.seed, "--users", 1, "--sites", 1, "--groups", 0,
               "--files-per-drive", 30) as w:
        w.sim.page_size(10)
        refusal = {"method": "GET", "path": "/root/delta", "status": 400, "code": "notSupported",
                   "message": "Resource not found for the segment 'delta'.", "count": -1}
        w.sim.fault("error", **refusal)
        w.stage.sync(expect=(0, 1))
        compare(w.stage, quiet=True)
        check(1 in modes(w.stage), "no drive was walked")
        for batch in range(6 * options.rounds):
            w.sim.change(options.seed * 100 + batch, 30)
            if batch == 2:
                w.sim.fault("reset", path="/children", nth=3, count=2, after_bytes=10)
            w.stage.hurry()
            w.stage.sync(expect=(0, 1))
            compare(w.stage)
        doubtful_removal(w)
        w.sim.clear_faults()
        w.stage.sync(expect=(0, 1))
        check(modes(w.stage) == {0}, "no way back to the delta")
        compare(w.stage, quiet=True)
        check_index(w.stage)
        check_manners(w.sim)
    return ""


@scenario
def large_pages(options):
    """an empty 503 for every large page of a drive: smaller ones are asked for"""
    with World(options, "pages", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0,
               "--files-per-drive", 150) as w:
        w.sim.fault("empty_body", method="GET", path="top=200", status=503, count=-1)
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        check_quiet(w.stage)
        check_manners(w.sim)
    return ""
