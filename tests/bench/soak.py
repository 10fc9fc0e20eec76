#!/usr/bin/python3
"""A running service under changes, faults, leases, reloads and polls for a while: memory and descriptors stay flat,
and at the end tree and tenant are equal. Needs nothing but the two programs.

    tests/bench/soak.sh [--minutes 30] [--build build] [--seed 1]

With a build under AddressSanitizer (-DM365STAGE_SANITIZE=address) a leak makes the service end with an error.
"""

import argparse
import os
import random
import re
import signal
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../scenario"))

from cases import mail  # noqa: E402
from harness import Failed, check, check_index  # noqa: E402
from running import ask, before, hook, metric, passes, readiness, serving, wait_until  # noqa: E402

# A quarter of the time is for caches and pools to fill; after that nothing may grow but by chance.
GROWTH_ALLOWED = 1.10
SLACK_BYTES = 6 << 20
# However short: promise 9 for a tenant of this size (not under a sanitizer, which takes its own).
MOST_BYTES = 96 << 20


class Soak:
    def __init__(self, w, service, options):
        self.w, self.stage, self.service = w, w.stage, service
        self.dice = random.Random(options.seed)
        self.samples = []  # (seconds, resident bytes, descriptors)
        self.began = time.monotonic()
        self.job = 0

    def sample(self):
        text = ask(self.stage, "GET", "/metrics").body.decode()
        value = {name: float(re.search(rf"^{name} (\S+)$", text, re.M)[1])
                 for name in ("process_resident_memory_bytes", "process_open_fds")}
        self.samples.append((time.monotonic() - self.began, value["process_resident_memory_bytes"], value["process_open_fds"]))

    def change(self):
        self.w.sim.change(self.dice.randrange(10**6), 20)
        self.w.sim.post("exchange/change", seed=self.dice.randrange(10**6), count=20)

    def disturb(self):
        self.w.sim.clear_faults()
        preset = self.dice.choice(["storm", "throttled", "odd_feed", "flaky_network", None, None])
        if preset:
            self.w.sim.post("faults", preset=preset, seed=self.dice.randrange(10**6))

    def back_up(self):
        self.job += 1
        out = self.stage.run("hook", "before-job", "--job", "soak", "--jobid", str(self.job), "--max-age", "1m", "--timeout", "5s")
        check(out.exit in (0, 3, 4, 7), f"the hook ended with {out.exit}: {out.told()}")
        if out.exit == 0:
            still = self.stage.snapshot()
            self.change()
            self.sample()
            check(self.stage.snapshot() == still, "the tree moved under a lease")
            hook(self.stage, "after-job", "--jobid", str(self.job), "--status", "OK")

    def turn(self, number):
        self.change()
        if number % 3 == 0:
            self.disturb()
        if number % 5 == 0:
            self.back_up()
        if number % 7 == 0:
            self.service.process.send_signal(signal.SIGHUP)
        for target in ("/readyz", "/api/v1/status", "/api/v1/items?limit=50", "/api/v1/changes?newest=true", "/"):
            check(ask(self.stage, "GET", target).status in (200, 503), f"{target} is not answered")
        self.sample()
        check(self.service.process.poll() is None, "the service ended")
        wanted = passes(self.stage) + 1
        wait_until(lambda: passes(self.stage) >= wanted, "a pass ends", longest=120)

    def finish(self):
        """Without faults everything comes in; what was owed is due."""
        self.w.sim.clear_faults()
        wait_until(lambda: readiness(self.stage)[0] == 200, "the service is well", longest=120)
        for _ in range(5):
            self.stage.hurry()
            self.stage.sync(expect=(0, 1))
            messages, differ = mail.differences(self.w)
            if not differ:
                break
        check(not differ, f"tree and tenant differ: {differ[:5]}")
        files = check_index(self.stage)
        seconds = self.service.stop()
        return f"{messages} messages and {files} files compared; SIGTERM took {seconds:.1f} s"

    def judge(self):
        end = self.samples[-1][0]
        most = max(s[1] for s in self.samples)
        check(most < MOST_BYTES or self.w.options.sanitized, f"{most / 2**20:.0f} MiB are too much")
        parts = [[s for s in self.samples if end * i / 4 <= s[0] < end * (i + 1) / 4] for i in range(4)]
        if min(map(len, parts)) < 3:
            return f"at most {most / 2**20:.1f} MiB, too short to judge growth"
        memory = [statistics.median(s[1] for s in p) for p in parts]
        # Connections come and go with the faults; a leak lifts what is open when least is.
        files = [min(s[2] for s in p) for p in parts]
        told = (f"resident MiB by quarters {', '.join(f'{m / 2**20:.1f}' for m in memory)}; "
                f"descriptors at least {', '.join(f'{f:.0f}' for f in files)}")
        check(memory[3] <= memory[1] * GROWTH_ALLOWED + SLACK_BYTES, f"memory grows: {told}")
        check(files[3] <= files[1] + 5, f"descriptors grow: {told}")
        return told


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(here, "../../build"))
    parser.add_argument("--simulator", metavar="BUILD", help="folder of m365sim's build, if it is another one")
    parser.add_argument("--sanitized", action="store_true", help="a sanitizer's memory is not judged by its size")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--temp", help="where to work; the default is the system's")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.simulator = os.path.abspath(options.simulator or options.build)
    try:
        with serving(options, "soak", "--users", 3, "--sites", 1, "--files-per-drive", 40, "--messages-per-mailbox", 40,
                     "--specials", 0, kinds=["onedrive", "sharepoint", "mail"]) as (w, service):
            before(w.stage, "first")
            hook(w.stage, "after-job", "--jobid", "first", "--status", "OK")
            soak = Soak(w, service, options)
            turn = 0
            while time.monotonic() - soak.began < options.minutes * 60:
                turn += 1
                soak.turn(turn)
                if turn % 50 == 0:
                    seconds, memory, files = soak.samples[-1]
                    print(f"{seconds / 60:6.1f} min  {turn:5d} turns  {passes(w.stage):6d} passes  "
                          f"{memory / 2**20:6.1f} MiB  {files:3.0f} descriptors", flush=True)
            told = soak.judge()
            done = passes(w.stage)
            print(f"soak: {turn} turns, {done} passes, {soak.job} jobs; {told}; {soak.finish()}")
    except Failed as e:
        print(f"soak: FAILED: {e}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
