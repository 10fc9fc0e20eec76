"""Everything in the tenant is gone: the guard keeps the stage, Bacula restores the tree, m365stage puts it back."""

import json

from cases.restore import allow_restore, wipe
from cycle import change_tenant, fill_desk
from harness import check
from refusals import refused
from world import Site


def account(site):
    """What the simulated tenant says that it holds, but for ids."""
    out = {}
    for item in site.sim.expected():
        owner = item["owner"].get("upn") or item["owner"].get("url") or item["owner"].get("nickname")
        rights = sorted((p["role"], p.get("email") or "", p.get("scope") or "") for p in item["permissions"])
        # A folder's time moves with what is put into it.
        time = item.get("mtime") if item["type"] == "file" else None
        facts = (item["type"], item.get("size") if time else None, item.get("sha256"), time, rights, item.get("description"))
        out[(owner, item["drive_name"], item["path"])] = facts
    return out


def compare_accounts(before, after):
    wrong = [f"{key}: {before.get(key)} -> {after.get(key)}"
             for key in sorted(set(before) | set(after)) if before.get(key) != after.get(key)]
    check(not wrong, f"{len(wrong)} differences between the tenant before and after:\n  " + "\n  ".join(wrong[:12]))


def tenant_lost(options):
    """The tenant is wiped: no job takes that over; restored by Bacula and m365stage it is what it was, and jobs go on."""
    with Site(options, "tenant", "--users", 2, "--sites", 1, "--groups", 1,
              guard={"max_deleted_share": 0.3, "min_deleted_items": 5}) as site:
        allow_restore(site.stage)
        fill_desk(site)
        site.bacula.run(level="Full").expect("T")
        change_tenant(site)
        site.bacula.run().expect("T")
        before, held = account(site), site.files()
        wipe(site.sim)
        refused(site, 6, "held by the guard")
        check(site.files() == held, "the tree followed the tenant into its ruin")
        where = site.path("restored")
        site.bacula.restore(where, "mark *").expect("T")
        out = site.stage.run("--json", "restore", "--from", where, "--in-place", "--permissions", "--yes")
        check(out.exit == 0, f"restore ended with {out.exit}: {out.told()[-3000:]}")
        compare_accounts(before, account(site))
        for line in json.loads(site.stage.run("--json", "guard", "list").stdout):
            approved = site.stage.run("guard", "approve", line["container"])
            check(approved.exit == 0, f"guard approve: {approved.told()}")
        job = site.bacula.run().expect("T")
        out = site.stage.run("verify", "--tree", site.tree)
        check(out.exit == 0, f"verify: {out.told()}")
        return f"{len(before)} objects are back as they were; the next incremental saved {job.files} files"
