"""restore of what is damaged or refused in part: nothing vanishes without a word, and one spoils no other."""

import json
import os
import shutil

from cases import scenario
from cases.restore import allow_restore, copy_of, report_of, restore, wipe
from harness import World, check, check_manners


def small(options, name, *more, users=1):
    """A tenant with nothing but what the scenario puts into it."""
    return World(options, name, "--seed", options.seed, "--users", users, "--sites", 0, "--groups", 0, "--specials", 0,
                 "--files-per-drive", 0, "--messages-per-mailbox", 0, "--events-per-calendar", 0, *more)


def add_message(w, box, subject):
    w.sim.post("exchange/op", op="new_message", mailbox=box, folder="inbox", own=True, received=1_760_000_000,
               set={"subject": subject})


def files(w, top="Work"):
    return sorted((i["owner"]["upn"].split("@")[0], i["path"]) for i in w.sim.expected()
                  if i["type"] == "file" and top in i["names"])


def subjects(w, *path):
    lines = [json.loads(line) for line in w.sim.ask("GET", "exchange/expected?mailbox=all").splitlines()]
    return sorted((e["mailbox"]["address"].split("@")[0], e["subject"]) for e in lines
                  if e["type"] == "message" and e["path"][:len(path)] == list(path))


def tree_of(source, stage):
    return os.path.join(source, stage.root.lstrip("/"), "tree")


def cut(path):
    with open(path, "r+b") as f:
        f.truncate(os.path.getsize(path) // 2)


def left_of(out):
    return {x["path"]: x["reason"] for x in out.summary["left"]}


def dry_run(stage, source, *arguments):
    out = stage.run("--json", "restore", "--from", source, *arguments, "--dry-run")
    return out.exit, out.summary["plan"]


@scenario
def restore_damaged_sidecars(options):
    """damaged sidecars of containers and folders, and one without its folder: told, and all else goes back"""
    with small(options, "sidecars", users=3) as w:
        allow_restore(w.stage)
        w.stage.configure(kinds=["onedrive", "mail"])
        for user in ("ada", "bela", "chloe"):
            w.sim.op("create", user=user, path="Work/a.txt", type="file", text="of " + user)
            add_message(w, user, "of " + user)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        ada, bela, chloe = (f"users/{user}@contoso.example" for user in ("ada", "bela", "chloe"))
        top = tree_of(source, w.stage)
        inbox = sorted(os.listdir(os.path.join(top, ada, "mail/Inbox/.m365")))[0]
        for path in (f"{bela}/.m365/onedrive.json", f"{ada}/onedrive/.m365/Work.json", f"{ada}/mail/.m365/Inbox.json",
                     f"{ada}/mail/Inbox/.m365/{inbox}"):
            cut(os.path.join(top, path))
        shutil.rmtree(os.path.join(top, chloe, "onedrive"))
        wipe(w.sim)
        month = f"{ada}/mail/Inbox/{inbox.removesuffix('.json')}"
        told = [month, f"{ada}/mail/Inbox", f"{ada}/onedrive/Work", f"{bela}/onedrive", f"{chloe}/onedrive"]
        code, plan = dry_run(w.stage, source, "--into", "Back")
        check(code == 1 and sorted(x["path"] for x in plan["cannot"]) == sorted(told), f"{code} {plan['cannot']}")
        check(f"{chloe}/" not in [p["container"] for p in plan["parts"]], f"no folder, and planned: {plan['parts']}")
        for _ in range(2):
            out = restore(w.stage, source, "--into", "Back", expect=1)
            check(sorted(left_of(out)) == sorted(path + "\nsidecar" for path in told), f"left: {left_of(out)}")
            check(files(w) == [("ada", "Back/Work/a.txt"), ("bela", "Back/Work/a.txt")], f"files: {files(w)}")
            wanted = [(user, "of " + user) for user in ("ada", "bela", "chloe")]
            check(subjects(w, "Back") == wanted, f"mail: {subjects(w, 'Back')}")
            check(("ada", "of ada") in subjects(w, "Back", "Inbox"), f"mail of ada: {subjects(w, 'Back', 'Inbox')}")
        drives = {i["owner"]["upn"] for i in w.sim.expected() if i["path"] == "Back"}
        check(len(drives) == 2, f"made for nothing: {drives}")
        planned = sum(p["kinds"].get("file", {"objects": 0})["objects"] for p in plan["parts"])
        check(planned == report_of(out)["file"]["done"] == 2, f"{planned} files planned, {report_of(out)}")
        check_manners(w.sim)
        return f"{report_of(out)}"


@scenario
def restore_one_refused(options):
    """one mailbox that is refused, at its look-up or later, and kinds without a permission: the rest goes back"""
    with small(options, "refused", users=3) as w:
        allow_restore(w.stage)
        w.stage.configure(kinds=["onedrive", "mail", "contacts"])
        users = ("ada", "bela", "chloe")
        for user in users:
            w.sim.op("create", user=user, path="Work/a.txt", type="file", text="of " + user)
            add_message(w, user, "of " + user)
        w.stage.sync(expect=(0, 1))
        source = copy_of(w.stage)
        boxes = {m["address"].split("@")[0]: m["owner_id"] for m in w.sim.get("exchange/tenant")["mailboxes"]}
        others = [(user, "of " + user) for user in ("ada", "chloe")]
        for number, fault in enumerate(({"path": boxes["bela"] + "/mailFolders"},
                                        {"path": boxes["bela"] + ".*childFolders", "method": "POST"})):
            w.sim.fault("error", status=403, code="ErrorAccessDenied", count=-1, **fault)
            folder = f"Back {number}"
            out = restore(w.stage, source, "--into", folder, "--select", "users/*/mail", "--select", "users/*/onedrive",
                          expect=1)
            check(any("403" in why for why in left_of(out).values()), f"left: {left_of(out)}")
            check(all(path.startswith("users/bela@") for path in left_of(out)), f"left: {left_of(out)}")
            check(subjects(w, folder) == others, f"{folder}: mail {subjects(w, folder)}")
            check([user for user, path in files(w) if path.startswith(folder)] == list(users), f"{folder}: {files(w)}")
            w.sim.clear_faults()
        out = restore(w.stage, source, "--into", folder, "--select", "users/*/mail", "--select", "users/*/onedrive")
        check(subjects(w, folder) == sorted([*others, ("bela", "of bela")]), f"permitted at last: {subjects(w, folder)}")
        w.sim.post("auth", roles=["Files.ReadWrite.All", "Mail.ReadWrite", "Contacts.ReadWrite"], expire_all=True)
        # The whole container at once: its top folder is refused while others wait for their turn.
        w.sim.fault("error", status=403, code="ErrorAccessDenied", count=-1, path=boxes["ada"] + ".*childFolders", method="POST")
        out = restore(w.stage, source, "--into", "All", expect=1)
        check(all(path.startswith("users/ada@") for path in left_of(out)), f"left: {left_of(out)}")
        check(subjects(w, "All") == [(user, "of " + user) for user in ("bela", "chloe")], f"mail: {subjects(w, 'All')}")
        w.sim.clear_faults()
        w.sim.post("auth", roles=["Files.ReadWrite.All"], expire_all=True)
        w.sim.fault("error", path="/contactFolders|/mailFolders", status=403, code="ErrorAccessDenied", count=-1)
        code, plan = dry_run(w.stage, source, "--into", "Files")
        obstacles = {p["container"].split("/")[2]: p["obstacle"] for p in plan["parts"]}
        check(code == 1 and obstacles["onedrive"] is None, f"{code} {obstacles}")
        check("Mail.ReadWrite" in obstacles["mail"] and "Contacts.ReadWrite" in obstacles["contacts"], f"{obstacles}")
        out = restore(w.stage, source, "--into", "Files", expect=1)
        check(all("ReadWrite" in why for why in left_of(out).values()), f"left: {left_of(out)}")
        check([user for user, path in files(w) if path.startswith("Files/")] == list(users), f"{files(w)}")
        out = restore(w.stage, source, "--into", "No", "--select", "users/*/mail", expect=3)
        check(out.summary["exit"] == 3, out.told())
        check_manners(w.sim)
        return f"{report_of(out)}"


@scenario
def restore_little_room(options):
    """in place, a drive has room for what is missing and not for all: nothing is refused beforehand"""
    with small(options, "room") as w:
        allow_restore(w.stage)
        for n in range(3):
            w.sim.op("create", user="ada", path=f"Work/a{n}.bin", type="file", size=300_000, seed=n)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        w.sim.op("delete", user="ada", path="Work/a0.bin")
        w.sim.fault("set_members", path="/drives/[^/]*$", set={"quota": {"total": 1_000_000, "remaining": 400_000}}, count=-1)
        code, plan = dry_run(w.stage, source, "--in-place")
        notes = [note for part in plan["parts"] for note in part["notes"]]
        check(code == 0 and any("400000 bytes and 900000 are needed" in note for note in notes), f"{code} {plan}")
        out = restore(w.stage, source, "--in-place")
        check(report_of(out)["file"]["done"] == 1 and len(files(w)) == 3, f"{report_of(out)} {files(w)}")
        out = restore(w.stage, source, "--into", "Second", expect=1)
        check(["make room" in why for why in left_of(out).values()] == [True], f"another place: {left_of(out)}")
        check_manners(w.sim)


@scenario
def restore_times_refused(options):
    """a time that can't be set is told, and set by the next run"""
    with small(options, "times") as w:
        allow_restore(w.stage)
        w.sim.op("create", user="ada", path="Work/empty.txt", type="file", size=0, seed=3, mtime=1_600_000_000)
        w.sim.op("create", user="ada", path="Work/a.docx", type="file", size=9000, seed=4, mtime=1_600_000_100)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        wipe(w.sim)
        w.sim.fault("error", path="/items/", method="PATCH", status=400, code="invalidRequest", count=-1)
        for _ in range(2):
            out = restore(w.stage, source, "--in-place", expect=1)
            left = left_of(out)
            check([os.path.basename(path) for path in left] == ["empty.txt\ntime"], f"left: {left}")
            check("invalidRequest" in next(iter(left.values())), f"left: {left}")
        w.sim.clear_faults()
        restore(w.stage, source, "--in-place")
        times = {i["path"]: i["mtime"] for i in w.sim.expected() if i["type"] == "file" and i["names"][0] == "Work"}
        check(times == {"Work/empty.txt": 1_600_000_000, "Work/a.docx": 1_600_000_100}, f"times: {times}")
        check_manners(w.sim)


@scenario
def restore_links_once(options):
    """a link whose answer is lost is given once, and one that was not made is made after all"""
    with small(options, "links", users=3) as w:
        allow_restore(w.stage)
        for name, more in (("link.txt", {"scope": "users"}), ("right.txt", {})):
            w.sim.op("create", user="ada", path="Work/" + name, type="file", text=name)
            w.sim.op("share", user="ada", path="Work/" + name, role="write", email="bela@contoso.example", **more)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        for folder, fault in (("Lost", {"kind": "short_body", "path": "/createLink|/invite", "method": "POST"}),
                              ("Never", {"kind": "error", "path": "/createLink|/invite", "method": "POST", "status": 500})):
            w.sim.fault(fault.pop("kind"), count=2, **fault)
            restore(w.stage, source, "--into", folder, "--permissions")
            given = {i["path"]: [p["role"] for p in i["permissions"]] for i in w.sim.expected()
                     if i["path"].startswith(folder + "/Work/")}
            check(given == {f"{folder}/Work/{name}": ["write"] for name in ("link.txt", "right.txt")}, f"{given}")
            w.sim.clear_faults()
        check_manners(w.sim)


@scenario
def restore_unread_folder(options):
    """a folder that can't be read back is told, and what is gone elsewhere is put back all the same"""
    with small(options, "unread", users=2) as w:
        allow_restore(w.stage)
        for user in ("ada", "bela"):
            for n in range(3):
                w.sim.op("create", user=user, path=f"Work/{n}/a.txt", type="file", text=f"{user} {n}")
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        restore(w.stage, source, "--in-place")
        item = {(i["owner"]["upn"].split("@")[0], i["path"]): i for i in w.sim.expected()}
        gone = item["bela", "Work/2/a.txt"]
        w.sim.op("delete", drive=gone["drive"], id=gone["id"])
        w.sim.fault("error", path=f"/items/{item['ada', 'Work/1']['id']}/children", method="GET", status=403,
                    code="accessDenied", count=-1)
        out = restore(w.stage, source, "--in-place", expect=1)
        left = left_of(out)
        check(list(left) == ["users/ada@contoso.example/onedrive/Work/1\nread back"], f"left: {left}")
        check("accessDenied" in next(iter(left.values())), f"left: {left}")
        check(("bela", "Work/2/a.txt") in files(w), f"not put back: {files(w)}")
        w.sim.clear_faults()
        restore(w.stage, source, "--in-place")
        check_manners(w.sim)


@scenario
def restore_second_round(options):
    """a container that was refused is tried in the second round of a run, and not told once it is back"""
    with small(options, "second", users=2) as w:
        allow_restore(w.stage)
        for user in ("ada", "bela"):
            w.sim.op("create", user=user, path="Work/a.txt", type="file", text="of " + user)
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        drive = next(i["drive"] for i in w.sim.expected() if i["owner"]["upn"].startswith("bela@"))
        fault = {"path": f"/drives/{drive}/items/[^/]*/children", "method": "POST", "status": 403, "code": "accessDenied"}
        w.sim.fault("error", count=-1, **fault)
        out = restore(w.stage, source, "--into", "Back", expect=1)
        check(files(w, "Back") == [("ada", "Back/Work/a.txt")], f"{files(w, 'Back')}")
        check(left_of(out).get("users/bela@contoso.example/onedrive"), f"left: {left_of(out)}")
        w.sim.clear_faults()
        w.sim.fault("error", count=1, **fault)
        w.sim.op("delete", user="ada", path="Back/Work/a.txt")  # seen when it is read back: there is a second round
        restore(w.stage, source, "--into", "Back")
        check(files(w, "Back") == [("ada", "Back/Work/a.txt"), ("bela", "Back/Work/a.txt")], f"{files(w, 'Back')}")
        check_manners(w.sim)
