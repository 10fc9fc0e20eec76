"""Nonsense from the service, in every form that the simulator knows of it: over drives and over mailboxes."""

import random

from cases import scenario
from cases.faults import forget_cursors, recover
from cases.mail import sync_until_equal
from harness import Failed, World, check, check_index, check_manners

OFTEN = 0.06
FORMS = (
    ("error", {"form": "huge"}),
    ("error", {"form": "huge", "status": 404}),
    ("error", {"form": "string"}),
    ("error", {"form": "empty_error", "status": 503}),
    ("error", {"form": "innererror", "status": 400}),
    ("html", {"status": 403}),
    ("ok_html", {}),
    ("truncated_json", {"keep": 0.01}),
    ("truncated_json", {"keep": 0.99}),
    ("malformed_json", {"form": "syntax"}),
    ("malformed_json", {"form": "lone_surrogate"}),
    ("malformed_json", {"form": "control"}),
    ("malformed_json", {"form": "utf8"}),
    ("wrong_length", {"by": 1_000_000}),
    ("redirect", {}),
    ("redirect", {"status": 307, "to": "https://127.0.0.1:1"}),
    ("throttle", {"seconds": 1, "retry_after": "date"}),
    ("throttle", {"seconds": 1, "retry_after": "absent"}),
)
OF_DRIVES = (
    ("negative_size", {}),
    ("old_dates", {}),
    ("fractional_seconds", {}),
)


@scenario
def bad_input_drives(options):
    """each form of nonsense over drives: a pass ends, says so, writes nothing outside; then all is there"""
    with World(options, "baddrive", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--files-per-drive", 15) as w:
        w.sim.page_size(10)
        told = all_forms(w, options, FORMS + OF_DRIVES, lambda seed: w.sim.change(seed, 15))
        # What was told wrongly is told rightly only by a full round.
        forget_cursors(w.stage)
        recover(w.stage)
        check_manners(w.sim)
    return told


@scenario
def bad_input_mailboxes(options):
    """each form of nonsense over mailboxes: a pass ends, says so, writes nothing outside; then all is there"""
    with World(options, "badmail", "--seed", options.seed, "--users", 2, "--sites", 0, "--groups", 0,
               "--messages-per-mailbox", 15) as w:
        w.stage.configure(kinds=["mail"])
        told = all_forms(w, options, FORMS, lambda seed: w.sim.post("exchange/change", seed=seed, count=15))
        sync_until_equal(w)
        check_manners(w.sim)
    return told


def all_forms(w, options, forms, change):
    dice = random.Random(options.seed * 7919)
    slowest = ("", 0)
    w.stage.sync(expect=(0, 1))
    for _ in range(options.rounds):
        for kind, more in forms:
            told = f"{kind} {more}"
            change(dice.randrange(10**9))
            try:
                seconds = one_form(w, dice, kind, more)
            except Failed as e:
                raise Failed(f"{told}: {e}") from e
            if options.verbose:
                print(f"    {told}: {seconds:.1f} s", flush=True)
            slowest = max(slowest, (told, seconds), key=lambda s: s[1])
    return f"{len(forms)} forms; the slowest pass had {slowest[0]}: {slowest[1]:.1f} s"


def one_form(w, dice, kind, more):
    w.sim.fault(kind, seed=dice.randrange(1, 10**6), probability=OFTEN, **more)
    w.stage.hurry()
    out = w.stage.sync(expect=(0, 1, 3, 4, 7), timeout=120)
    check(len(out.stderr) < 200_000, f"{len(out.stderr)} bytes were said")
    longest = max((len(line) for line in out.stderr.splitlines()), default=0)
    check(longest <= 1200, f"a line of {longest} bytes: somebody else's text was passed on whole")
    check_index(w.stage)
    w.sim.clear_faults()
    return out.seconds
