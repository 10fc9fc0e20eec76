#!/usr/bin/env python3
"""End to end: a simulated tenant, m365stage, and a Bacula of Debian configured by examples/bareos. See tests/README.md."""

import argparse
import concurrent.futures
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../scenario"))

import cycle  # noqa: E402
import large  # noqa: E402
import parts  # noqa: E402
import rebuild  # noqa: E402
import refusals  # noqa: E402
import still  # noqa: E402
import tenant_lost  # noqa: E402
import two_tenants  # noqa: E402
from harness import Failed  # noqa: E402

# Those that take longest first: a few run at the same time, and most of their time they wait for Bacula.
CASES = {
    "killed": still.file_daemon_killed,
    "cycle": cycle.cycle,
    "refusals": refusals.refusals,
    "still": still.still,
    "lost-tenant": tenant_lost.tenant_lost,
    "parts": parts.parts,
    "ransomware": tenant_lost.ransomware,
    "two-tenants": two_tenants.two_tenants,
    "lost-machine": rebuild.lost_machine,
}
ON_REQUEST = {"large": large.large}
ALL = {**CASES, **ON_REQUEST}


def run_case(name, options):
    """What to print, and whether it passed."""
    began = time.monotonic()
    try:
        told, passed = "passed: " + ALL[name](options), True
    except Failed as e:
        told, passed = f"FAILED: {e}", False
    except Exception:
        told, passed = "FAILED: " + traceback.format_exc(), False
    seconds = time.monotonic() - began
    print(f"--- {name}: {ALL[name].__doc__}\n    {told} ({seconds:.0f} s)", flush=True)
    return passed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(HERE, "../../build"), help="folder of the binaries")
    parser.add_argument("--only", action="append", choices=[*CASES, *ON_REQUEST], help="run this case; may be repeated")
    parser.add_argument("--temp", metavar="DIR", help="where to work; the default is the system's")
    parser.add_argument("--jobs", type=int, default=5, help="so many cases at the same time")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    names = options.only or list(CASES)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        passed = sum(pool.map(lambda name: run_case(name, options), names))
    print(f"{passed} passed, {len(names) - passed} failed")
    return 0 if passed == len(names) else 1


if __name__ == "__main__":
    sys.exit(main())
