"""Users, sites and groups that come, go, change their names, or are not selected."""

import os
import random
import signal
import time

from cases import scenario
from cases.special import inodes_below, small
from harness import World, check, check_manners, check_quiet, compare, kill
from running import before, hook, metric, readiness, serving, wait_until


@scenario
def departed_user(options):
    """a user is removed: the files stay; with a retention of 0s they go"""
    with small(options, "departed") as w:
        w.sim.post("directory", op="add_user", name="gone")
        w.sim.post("bulk", user="gone", items=30, folders=3, file_size=100, seed=5)
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        kept = inodes_below(w.stage, "users/gone@contoso.example")
        check(len(kept) > 60, f"nothing was staged of the user: {len(kept)}")
        w.sim.post("directory", op="remove_user", name="gone@contoso.example")
        for _ in range(2):
            w.stage.sync(expect=(0, 1))
            check(inodes_below(w.stage, "users/gone@contoso.example") == kept, "a departed user's files were touched")
            compare(w.stage)
        w.stage.configure(sync={"departed_retention": "0s"})
        w.stage.sync(expect=(0, 1))
        left = os.path.exists(os.path.join(w.stage.root, "tree/users/gone@contoso.example"))
        check(not left, "a departed user's files are there after the retention")
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


@scenario
def departed_waits_for_nobody(options):
    """what is owed or held of who departed keeps nobody's backup waiting, and is counted nowhere"""
    with serving(options, "leftovers", "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
                 guard={"max_deleted_share": 0.3, "min_deleted_items": 5}) as (w, service):
        stage = w.stage

        def shown(*reasons):
            wanted = 503 if reasons else 200, sorted(reasons)
            wait_until(lambda: (lambda status, kinds: (status, sorted(kinds)))(*readiness(stage)) == wanted,
                       f"/readyz says {wanted}", longest=60)

        for name in ("deleting", "hoarder"):
            w.sim.post("directory", op="add_user", name=name)
            w.sim.post("bulk", user=name, items=12, folders=1, file_size=100, seed=5)
        files = [i for i in w.sim.expected()
                 if i["owner"].get("upn") == "deleting@contoso.example" and i["type"] == "file"]
        w.sim.op("create", user="hoarder", path="huge.bin", type="file", size=1 << 42, seed=3, no_hash=True)
        shown("disk")
        for i in files:
            w.sim.op("delete", drive=i["drive"], id=i["id"])
        shown("disk", "guard")
        held = stage.rows("SELECT key FROM container WHERE guard_held>0")[0][0]
        w.sim.post("directory", op="remove_user", name="deleting@contoso.example")
        shown("disk")
        before(stage, "1", expect=5)
        stage.configure(select={"users": {"exclude": ["hoarder@*"]}})
        service.process.send_signal(signal.SIGHUP)
        shown()
        left = [held, "users/hoarder@contoso.example/onedrive"]
        check(stage.rows("SELECT count(*) FROM container AS c WHERE state='departed' AND (guard_held>0 OR EXISTS "
                         "(SELECT 1 FROM pending WHERE container_id=c.id AND reason='disk'))")[0][0] == 2,
              "nothing is left of them: this proves nothing")
        before(stage, "2", "--on-owed", "fail")
        hook(stage, "after-job", "--jobid", "2", "--status", "OK")
        check(stage.run("sync").exit == 0, "a pass is degraded by who departed")
        check(metric(stage, "m365stage_held_deletions") == 0 and metric(stage, "m365stage_owed_items") == 0,
              "the metrics tell of who departed")
        status = stage.run("--json", "status").summary
        check(status["coverage_percent"] == 100 and not status["failing"] and not status["guard"], f"{status}")
        check(stage.run("guard", "list").exit == 0, "a person is asked for what waits for nobody")
        for key in left:
            approved = stage.run("guard", "approve", key)
            check(approved.exit == 2 and "has departed" in approved.told(), approved.told())
        check_manners(w.sim)
    return ""


@scenario
def exchanged_names(options):
    """users take over each other's names, in chains and circles, and some can't be enumerated just then: all is moved"""
    dice = random.Random(options.seed * 7919)
    with World(options, "exchange", "--seed", options.seed, "--users", 5, "--sites", 0, "--groups", 0, "--specials", 0,
               "--files-per-drive", 4) as w:
        w.stage.sync(expect=(0, 1))
        compare(w.stage)
        users = [u["id"] for u in w.sim.get("tenant")["users"] if u["drives"] and u["enabled"]]
        names = [u["upn"] for u in w.sim.get("tenant")["users"] if u["id"] in users]
        w.sim.forget_requests()
        for n in range(8 * options.rounds):
            wanted = names + [f"fresh{n}@contoso.example"]
            dice.shuffle(wanted)
            w.sim.post("directory", op="name_users", names=dict(zip(users, wanted)))
            if n % 2:
                w.sim.fault("error", service="graph", status=503, path="/root/delta", probability=0.3,
                            seed=dice.randrange(1, 10**6))
            if n % 4 == 3:
                process = w.stage.start()
                time.sleep(dice.random() * 0.4)
                kill(process)
            w.stage.sync(expect=(0, 1))
            check(verified(w.stage), f"round {n}: verify finds something in the middle of it")
            w.sim.clear_faults()
            w.stage.hurry()
            w.stage.sync(expect=0)
            compare(w.stage)
            check(not w.sim.downloads(), f"round {n}: another name of a user downloads {len(w.sim.downloads())} files")
        check_quiet(w.stage)
        check_manners(w.sim)
    return f"{len(users)} users"


def verified(stage):
    out = stage.run("verify")
    return out.exit == 0


@scenario
def sites_of_groups(options):
    """the library of a group's site is selected as that site is, unless groups are a kind of their own"""
    with World(options, "groupsites", "--users", 0, "--sites", 2, "--groups", 1) as w:
        def staged(kinds, **select):
            w.stage.configure(kinds=kinds, select=select, sync={"departed_retention": "0s"},
                              guard={"max_deleted_share": 1})
            for _ in range(3):  # what a list lacks is believed when it lacks it twice; then its site may take it
                w.stage.sync(expect=0)
            rows = w.stage.rows("SELECT key FROM container WHERE state<>'departed'")
            return {r[0].split("/")[0] for r in rows}, sorted(r[0] for r in rows)

        every, keys = staged(["sharepoint"])
        check(every == {"groups", "sites"}, f"without a selection: {keys}")
        own = next(d["web_url"] for d in w.sim.get("tenant")["drives"] if "team1" in d["web_url"])
        site = own.removeprefix("https://").rsplit("/", 1)[0]
        for kinds, select, wanted in (
            (["sharepoint"], {"sites": {"exclude": [site]}}, {"sites"}),
            (["sharepoint"], {"sites": {"include": [site]}}, {"groups"}),
            (["sharepoint"], {"sites": {"include": []}}, set()),
            (["sharepoint", "groups"], {"sites": {"include": []}}, {"groups"}),
            (["sharepoint"], {"sites": {"include": ["*"]}}, {"groups", "sites"}),
        ):
            found, keys = staged(kinds, **select)
            check(found == wanted, f"{kinds} {select}: {keys}")
        compare(w.stage)
    return ""
