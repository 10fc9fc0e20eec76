"""Everything in the tenant is gone: the guard keeps the stage, Bacula restores the tree, m365stage puts it back."""

import json

from cases import restore_calendar as calendars, restore_mail as mail, restore_records as records
from cases.calendar import expected as expected_events, owner_of
from cases.records import without_empty
from cases.restore import NOT_WRITTEN, allow_restore, wipe
from cycle import DESK, change_tenant, fill_desk
from harness import NOT_WRITABLE, check
from refusals import refused
from world import OWN_FILES, Site, plain_files


def account(site):
    """What the simulated tenant says that it holds, but for ids."""
    out = {}
    for item in site.sim.expected():
        owner = item["owner"].get("upn") or item["owner"].get("url") or item["owner"].get("nickname")
        rights = sorted((p["role"], p.get("email") or "", p.get("scope") or "") for p in item["permissions"])
        # A folder's time moves with what is put into it.
        time = item.get("mtime") if item["type"] == "file" else None
        columns = {k: v for k, v in item.get("columns", {}).items() if k not in (*NOT_WRITABLE, *NOT_WRITTEN)}
        facts = (item["type"], item.get("size") if time else None, item.get("sha256"), time, rights, item.get("description"),
                 columns)
        out[(owner, item["drive_name"], item["path"])] = facts
    return out


def without_annotations(value):
    if isinstance(value, dict):
        return {k: without_annotations(v) for k, v in value.items() if not k.startswith("@odata.") and k != "webLink"}
    return [without_annotations(v) for v in value] if isinstance(value, list) else value


def events(site):
    """Every event of calendars that can be written, by the tenant's own account, and when it takes place."""
    out = []
    for e in expected_events(site.sim):
        if e["type"] == "event" and e["can_edit"] and not e["wrong"]:
            files = sorted(a["sha256"] for a in e["attachments"] if not a["broken"] and a["kind"] != "reference")
            facts = calendars.facts_of_item(without_annotations({k: v for k, v in e["graph"].items() if k != "attachments"}))
            facts["body"] = " ".join(facts.get("body", "").split())  # the service writes line breaks as it likes
            out.append(json.dumps([owner_of(e), e["calendar"], facts, files, e["cancelled"], e["occasions"]], sort_keys=True))
    return sorted(out)


def records_of(site):
    """Contacts, tasks, rules and categories but for ids and what the service sets."""
    out = []
    for line in site.sim.get("exchange/records/expected"):
        if line.get("well_known") == "flaggedEmails":
            continue
        facts = {k: v for k, v in line.items() if k not in ("id", "folder", "parent", "object", "settings", "rules", "checklist")}
        facts["checklist"] = sorted((step["displayName"], step["isChecked"]) for step in line.get("checklist", []))
        if line["what"] == "item":
            unknown = ("id", "changeKey", "parentFolderId", "createdDateTime", "lastModifiedDateTime", "@odata.etag")
            facts["object"] = without_empty({k: v for k, v in line["object"].items() if k not in unknown})
        elif line["what"] == "settings":
            facts["rules"] = [rule["displayName"] for rule in line["rules"]]
            facts["categories"] = sorted((c["displayName"], c["color"]) for c in line["categories"] or [])
        out.append(json.dumps(facts, sort_keys=True))
    return sorted(out)


def wipe_all(site):
    wipe(site.sim)
    mail.wipe(site)
    calendars.wipe(site.sim)
    records.wipe(site)
    for box in {line["mailbox"] for line in site.sim.get("exchange/records/expected")}:
        site.sim.post("exchange/records/op", mailbox=box, op="clear_settings")


def compare_lists(what, before, after):
    check(before, f"the tenant had no {what}: nothing would be compared")
    lost, new = [x for x in before if x not in after], [x for x in after if x not in before]
    words = [word for pair in zip(lost, new) for word in set(pair[0].split(", ")) ^ set(pair[1].split(", "))]
    check(before == after, f"{what}: {len(lost)} are not as they were, {len(new)} are new: {str(words)[:1500]}")


def compare_accounts(before, after):
    wrong = [f"{key}: {before.get(key)} -> {after.get(key)}"
             for key in sorted(set(before) | set(after)) if before.get(key) != after.get(key)]
    check(not wrong, f"{len(wrong)} differences between the tenant before and after:\n  " + "\n  ".join(wrong[:12]))


def guarded(site):
    """Files and mail; of the other kinds some have so few items that the guard lets them go."""
    small = ("/calendar/", "/contacts/", "/tasks/", "/settings/", "/.m365stage/")
    return {path: facts for path, facts in site.files().items() if not any(part in "/" + path for part in small)}


KINDS = ["onedrive", "sharepoint", "groups", "mail", "calendar", "contacts", "tasks"]
ROLES = ["User.Read.All", "Group.Read.All", "Files.ReadWrite.All", "Sites.FullControl.All", "Mail.ReadWrite",
         "Calendars.ReadWrite", "Contacts.ReadWrite", "Tasks.ReadWrite.All", "MailboxSettings.ReadWrite"]
# What no restore brings back: the service fills some calendars by itself, and some events were never served.
NOT_ASKED = ("it was not staged", "the service itself fills")


def tenant_lost(options):
    """The tenant is wiped: no job takes that over; restored by Bacula and m365stage it is what it was, and jobs go on."""
    with Site(options, "tenant", "--users", 2, "--sites", 1, "--groups", 1, "--messages-per-mailbox", 15, kinds=KINDS,
              guard={"max_deleted_share": 0.3, "min_deleted_items": 5}) as site:
        allow_restore(site.stage)
        site.sim.post("auth", roles=ROLES, expire_all=True)
        fill_desk(site)
        site.bacula.run(level="Full").expect("T")
        change_tenant(site)
        site.bacula.run().expect("T")
        before, mails, losses, held = account(site), mail.tenant_facts(site), mail.expected_losses(site), guarded(site)
        dates, cards = events(site), records_of(site)
        wipe_all(site)
        refused(site, 6, "held by the guard")
        check(guarded(site) == held, "the tree followed the tenant into its ruin")
        where = site.path("restored")
        site.bacula.restore(where, "mark *").expect("T")
        out = site.stage.run("--json", "restore", "--from", where, "--in-place", "--permissions", "--settings", "--yes")
        out.summary["left"] = [x for x in out.summary["left"] if not x["reason"].startswith(NOT_ASKED)]
        check(out.exit in (0, 1), f"restore ended with {out.exit}: {out.told()[-3000:]}")
        mail.check_report(out, losses)
        compare_accounts(before, account(site))
        mail.check_tenant(mails, mail.tenant_facts(site))
        compare_lists("events", dates, events(site))
        compare_lists("contacts and tasks", cards, records_of(site))
        check(site.sim.get("exchange/tenant")["mails_sent"] == 0, "somebody got a mail")
        for line in json.loads(site.stage.run("--json", "guard", "list").stdout):
            approved = site.stage.run("guard", "approve", line["container"])
            check(approved.exit == 0, f"guard approve: {approved.told()}")
        job = site.bacula.run().expect("T")
        out = site.stage.run("verify", "--tree", site.tree)
        check(out.exit == 0, f"verify: {out.told()}")
        count = sum(len(group) for group in mails[1].values())
        return (f"{len(before)} objects, {count} messages, {len(dates)} events, {len(cards)} contacts, tasks and settings are "
                f"back as they were; the next incremental saved {job.files} files")


def ransomware(options):
    """All files of a user are encrypted, and the encrypted ones were backed up: an older job's are put back over them."""
    owner = {"user": "ada@contoso.example"}
    with Site(options, "ransom", "--users", 2, "--sites", 0, "--groups", 0) as site:
        allow_restore(site.stage)
        fill_desk(site)
        good = site.bacula.run(level="Full").expect("T")
        before = account(site)
        files = [item for item in site.sim.expected() if item["type"] == "file" and item["owner"].get("upn") == owner["user"]]
        for number, item in enumerate(files):
            site.sim.op("edit", **owner, id=item["id"], text=f"encrypted {number}")
        bad = site.bacula.run().expect("T")
        check(len(plain_files(site.bacula.saved(bad.number)) - OWN_FILES) == 2 * len(files), "not all of them are in the job")
        out = site.stage.run("--json", "history", f"{DESK}/same.txt")
        jobs = [version["job"]["job_id"] for version in json.loads(out.stdout)]
        check(jobs == [str(good.number), str(bad.number)], f"history names jobs {jobs}")
        where = site.path("restored")
        site.bacula.restore(where, "mark *", jobids=good.number).expect("T")
        arguments = ["--from", where, "--select", f"users/{owner['user']}", "--in-place", "--yes"]
        skipped = site.stage.run("--json", "restore", *arguments)
        check(skipped.exit == 1, f"without --conflict replace the files of now stay: {skipped.told()[-1000:]}")
        out = site.stage.run("--json", "restore", *arguments, "--conflict", "replace")
        check(out.exit == 0, f"restore ended with {out.exit}: {out.told()[-3000:]}")
        compare_accounts(before, account(site))
        return f"{len(files)} encrypted files are what they were"
