"""Users, sites and groups that come, go, change their names, or are not selected."""

import os
import random
import time

from cases import scenario
from cases.special import inodes_below, small
from harness import World, check, check_manners, check_quiet, compare, kill


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
