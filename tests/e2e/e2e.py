#!/usr/bin/env python3
"""End to end: a simulated tenant, m365stage, and a Bacula of Debian configured by examples/bareos. See tests/README.md."""

import argparse
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../scenario"))

import cycle  # noqa: E402
import rebuild  # noqa: E402
from harness import Failed  # noqa: E402

CASES = {"cycle": cycle.cycle, "lost-machine": rebuild.lost_machine}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(HERE, "../../build"), help="folder of the binaries")
    parser.add_argument("--only", action="append", choices=CASES, help="run this case; may be repeated")
    parser.add_argument("--temp", metavar="DIR", help="where to work; the default is the system's")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    failed = []
    names = options.only or list(CASES)
    for name in names:
        print(f"--- {name}: {CASES[name].__doc__}", flush=True)
        began = time.monotonic()
        try:
            told = "passed: " + CASES[name](options)
        except Failed as e:
            failed.append(name)
            told = f"FAILED: {e}"
        except Exception:
            failed.append(name)
            told = "FAILED: " + traceback.format_exc()
        print(f"    {told} ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
