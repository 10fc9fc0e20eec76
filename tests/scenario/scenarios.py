#!/usr/bin/env python3
"""Scenario tests: m365stage against m365sim. See README.md."""

import argparse
import concurrent.futures
import os
import sys
import time
import traceback

import cases
import cases.changes  # noqa: F401
import cases.special  # noqa: F401
import cases.owners  # noqa: F401
import cases.sign_in  # noqa: F401
import cases.disk  # noqa: F401
import cases.faults  # noqa: F401
import cases.calendar  # noqa: F401
import cases.mail  # noqa: F401
import cases.records  # noqa: F401
import cases.mail_storms  # noqa: F401
import cases.mail_trouble  # noqa: F401
import cases.mail_extremes  # noqa: F401
import cases.kills  # noqa: F401
import cases.power  # noqa: F401
import cases.service  # noqa: F401
import cases.command_line  # noqa: F401
import cases.restore  # noqa: F401
import cases.columns  # noqa: F401
import cases.restore_records  # noqa: F401
import cases.tenant  # noqa: F401
import cases.restore_mail  # noqa: F401
import cases.restore_again  # noqa: F401
import cases.restore_calendar  # noqa: F401
import cases.restore_trouble  # noqa: F401
import cases.api  # noqa: F401
import cases.trouble  # noqa: F401
import cases.page  # noqa: F401
import cases.mishaps  # noqa: F401
import cases.clock  # noqa: F401
import cases.bad_input  # noqa: F401
import cases.odd_answers  # noqa: F401
from harness import Failed, Skipped


def arguments():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default=os.path.join(here, "../../build"), help="folder of the binaries")
    parser.add_argument("--simulator", metavar="BUILD", help="folder of m365sim's build, if it is another one")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another run; the same is the same")
    parser.add_argument("--rounds", type=int, default=1, help="so many times the work; 1 is for CI")
    parser.add_argument("--only", action="append", metavar="NAME", help="run this scenario; may be repeated")
    parser.add_argument("--temp", metavar="DIR", help="where to work; the default is the system's")
    parser.add_argument("--jobs", type=int, default=2, help="so many scenarios at the same time")
    parser.add_argument("--verbose", action="store_true", help="tell of each step")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    return parser.parse_args()


def first_line(function):
    return (function.__doc__ or "").strip().splitlines()[0]


def run_one(name, function, options):
    began = time.monotonic()
    try:
        told = function(options)
        verdict = "passed"
    except Skipped as e:
        verdict, told = "skipped", str(e)
    except Failed as e:
        verdict, told = "FAILED", str(e)
    except Exception:
        verdict, told = "FAILED", traceback.format_exc()
    seconds = time.monotonic() - began
    print(f"--- {name}: {first_line(function)}\n    {verdict} in {seconds:.0f} s" + (f": {told}" if told else ""),
          flush=True)
    return verdict


def main():
    options = arguments()
    options.build = os.path.abspath(options.build)
    options.simulator = os.path.abspath(options.simulator or options.build)
    names = options.only or list(cases.SCENARIOS)
    unknown = [name for name in names if name not in cases.SCENARIOS]
    if unknown:
        print(f"no scenario {', '.join(unknown)}; there are {', '.join(cases.SCENARIOS)}", file=sys.stderr)
        return 2
    if options.list:
        for name in names:
            print(f"{name:20} {first_line(cases.SCENARIOS[name])}")
        return 0
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        running = {name: pool.submit(run_one, name, cases.SCENARIOS[name], options) for name in names}
        verdicts = {name: done.result() for name, done in running.items()}
    failed = [name for name, verdict in verdicts.items() if verdict == "FAILED"]
    skipped = sum(verdict == "skipped" for verdict in verdicts.values())
    print(f"{len(names) - len(failed) - skipped} passed, {len(failed)} failed, {skipped} skipped"
          + (f" (seed {options.seed}): {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
