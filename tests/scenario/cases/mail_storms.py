"""Mailboxes under kill -9 and under everything the simulator can do wrong."""

import random
import time

from cases import scenario
from cases.faults import ENDLESS, PARAMETERS, forget_cursors
from cases.mail import differences, sync_until_equal
from harness import Failed, World, check, check_index, check_manners, check_same_tree, check_spool, kill

CONCURRENCY = 8
# What strikes by chance strikes that often; a pass has about 100 requests.
OFTEN = 0.04
# What strikes few requests has to strike more often to be seen.
RARE = {"item_not_found": 0.3}
# A length that is too short, over a connection that ends in order, can't be told from a right one: nothing is
# announced of a message's MIME.
UNTELLABLE = ("wrong_length",)


@scenario
def mail_kills(options):
    """kill -9 during changes of mailboxes: nothing is lost, claimed, or downloaded in vain"""
    dice = random.Random(options.seed * 31337)
    wanted = 50 * options.rounds
    done = extra = files = 0
    with World(options, "mailkill", "--seed", options.seed, "--users", 3, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 50) as w:
        w.stage.configure(kinds=["mail"], sync={"concurrency": CONCURRENCY})
        w.sim.post("exchange/settings", latency_ms=5)
        for phase in range(1000):
            if done >= wanted:
                break
            w.sim.post("exchange/change", seed=dice.randrange(10**9), count=120)
            w.sim.forget_requests()
            before = done
            for _ in range(30):
                if done - before == min(10, wanted - before):
                    break
                process = w.stage.start()
                time.sleep(dice.random() * (0.25 if dice.random() < 0.5 else 0.8))
                if process.poll() is None:
                    kill(process)
                    done += 1
                else:
                    check(process.returncode in (0, 1), f"a pass after a kill ended with {process.returncode}")
                    w.sim.post("exchange/change", seed=dice.randrange(10**9), count=60)
                if dice.random() < 0.3:
                    w.stage.finish()
                    files += check_index(w.stage)
            sync_until_equal(w)
            check_index(w.stage)
            check_spool(w.stage)
            # Drafts may change between the kills; what was received is fetched once, and what a kill cut off again.
            vain = sum(n - 1 for n in w.sim.downloads().values())
            check(vain <= (done - before + 1) * CONCURRENCY, f"phase {phase}: {vain} downloads in vain")
            extra += vain
        check_manners(w.sim)
    return f"{done} kills, {extra} downloads twice, {files} files checked on the way"


@scenario
def mail_faults(options):
    """each kind of fault in turn over mailboxes; then everything is there"""
    dice = random.Random(options.seed * 65537)
    slowest = ("", 0)
    with World(options, "mailfaults", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 25) as w:
        w.stage.configure(kinds=["mail"])
        w.stage.sync(expect=(0, 1))
        answer = w.sim.get("faults?kinds=1")
        kinds = [kind["type"] for kind in (answer["kinds"] if isinstance(answer, dict) else answer)]
        kinds = [kind for kind in kinds if kind not in UNTELLABLE]
        for _ in range(options.rounds):
            for kind in kinds:
                try:
                    seconds = one_kind(w, dice, kind)
                except Failed as e:
                    raise Failed(f"fault {kind}: {e}") from e
                if options.verbose:
                    print(f"    {kind}: {seconds:.1f} s", flush=True)
                slowest = max(slowest, (kind, seconds), key=lambda s: s[1])
        before = w.stage.snapshot()
        w.stage.sync(expect=(0, 1))
        check_same_tree(before, w.stage.snapshot())
        messages, _ = differences(w)
        check_manners(w.sim)
    return f"{len(kinds)} kinds, {messages} messages; the slowest pass had {slowest[0]}: {slowest[1]:.1f} s"


def one_kind(w, dice, kind):
    w.sim.post("exchange/change", seed=dice.randrange(10**9), count=25)
    more = dict(PARAMETERS.get(kind, {}))
    if kind not in ENDLESS:
        more["probability"] = RARE.get(kind, OFTEN)
    w.sim.fault(kind, seed=dice.randrange(1, 10**6), **more)
    out = w.stage.sync(expect=(0, 1, 3, 4, 7), timeout=120)
    check_index(w.stage)
    w.sim.clear_faults()
    if kind == "replay":
        forget_cursors(w.stage)
    sync_until_equal(w)
    return out.seconds
