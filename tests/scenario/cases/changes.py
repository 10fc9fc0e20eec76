"""Random tenants and random changes."""

import random

from cases import scenario
from harness import World, check_manners, check_quiet, compare


@scenario
def random_changes(options):
    """random changes, a pass and the complete comparison after each batch"""
    batches = 0
    for tenant in range(4):
        dice = random.Random(options.seed * 1000 + tenant)
        batches += one_tenant(options, dice)
    return f"{batches} batches"


def one_tenant(options, dice):
    batches = 25 * options.rounds
    arguments = ("--seed", dice.randrange(1, 10**6), "--users", dice.randrange(1, 4), "--sites", dice.randrange(0, 3),
                 "--groups", dice.randrange(0, 2), "--files-per-drive", dice.randrange(5, 40),
                 "--file-size-max", dice.choice((2000, 65536, 300000)))
    with World(options, "random", *arguments) as w:
        w.sim.page_size(dice.choice((7, 50, 200)))
        w.stage.sync(expect=(0, 1))
        compare(w.stage, quiet=True)
        for batch in range(batches):
            seed = dice.randrange(10**9)
            w.sim.change(seed, dice.randrange(20, 61))
            w.stage.sync(expect=(0, 1))
            try:
                compare(w.stage)
            except Exception:
                print(f"    batch {batch}, change seed {seed}, tenant {arguments}")
                raise
            if batch % 8 == 7:
                check_quiet(w.stage)
        check_manners(w.sim)
    return batches
