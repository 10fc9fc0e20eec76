#!/usr/bin/env python3
"""Checks examples/: each directive is one that Bareos knows in its resource, each value and reference makes sense.

Bareos itself is nowhere at hand (tests/e2e runs the same resources with Bacula, which knows fewer). What is checked is the
configuration as setup.sh writes it, for every variant.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = os.path.join(HERE, "../../examples/bareos")
sys.path.insert(0, os.path.join(HERE, "../e2e"))

from bareos_directives import NESTED, REFERENCES, RESOURCES, WORDS  # noqa: E402
from dialect import Resource, parse, plain  # noqa: E402

RUNS = {
    "as it is": [[]],
    "parts": [["--variant", "parts"]],
    "always incremental": [["--variant", "always-incremental"]],
    "dplcompat": [["--variant", "dplcompat"]],
    "two tenants": [[], ["--tenant", "fabrikam", "--instance"]],
    "two tenants in parts": [["--variant", "parts"], ["--tenant", "fabrikam", "--instance", "--variant", "parts"]],
}
MOST_CHUNKS = 9999


class Known:
    """The directives of one kind of resource."""

    def __init__(self, text):
        words = text.split()
        self.all = {plain(word.lstrip("!-")) for word in words}
        self.needed = {plain(word[1:]) for word in words if word.startswith("!")}
        self.deprecated = {plain(word[1:]) for word in words if word.startswith("-")}


def known_of(daemon, kind, nested):
    table = NESTED if nested else RESOURCES[daemon]
    return next((Known(text) for name, text in table.items() if plain(name) == plain(kind)), None)


def keys(resource):
    return {plain(item.kind if isinstance(item, Resource) else item[0]) for item in resource.items}


def check_resource(daemon, resource, where, nested=False):
    known = known_of(daemon, resource.kind, nested)
    if known is None:
        yield f"{where}: {daemon} has no resource {resource.kind}"
        return
    has = keys(resource)
    for key in sorted(has - known.all):
        yield f"{where}: {resource.kind} has no directive {key}"
    for key in sorted(has & known.deprecated):
        yield f"{where}: {key} of {resource.kind} is deprecated"
    for key in sorted(known.needed - has):
        yield f"{where}: {resource.kind} lacks {key}"
    for item in resource.items:
        if isinstance(item, Resource):
            yield from check_resource(daemon, item, f"{where}, {item.kind}", nested=True)
        else:
            yield from check_value(item[0], item[1], where)


def check_value(key, value, where):
    words = next((text.split() for name, text in WORDS.items() if plain(name) == plain(key)), None)
    if words and value.strip('"').lower() not in [word.lower() for word in words]:
        yield f"{where}: {key} = {value}, which is none of {' '.join(words)}"
    if value.count('"') % 2:
        yield f"{where}: {key} has an open quote"
    if re.search(r"retention|interval|duration|maxruntime|maxfullage", plain(key)):
        if not re.fullmatch(r"0|\d+ (seconds|minutes|hours?|days?|weeks|months|years?)", value):
            yield f"{where}: {key} = {value} is no time"


def named(resources, kind):
    return {r.name: r for r in resources if plain(r.kind) == plain(kind)}


def effective(job, defs, key):
    value = job.value(key)
    base = job.value("JobDefs")
    return value if value is not None or base is None or base not in defs else defs[base].value(key)


def check_references(resources):
    for resource in resources:
        for item in resource.items:
            if isinstance(item, Resource):
                continue
            kind = next((k for name, k in REFERENCES.items() if plain(name) == plain(item[0])), None)
            if kind and plain(resource.kind) not in ("messages", "director"):
                for name in item[1].split(","):
                    if name.strip(' "') not in named(resources, kind):
                        yield f"{resource.kind} {resource.name}: there is no {kind} {name.strip()}"


def check_jobs(resources):
    defs = named(resources, "JobDefs")
    filesets = {}
    for job in named(resources, "Job").values():
        kind = effective(job, defs, "Type")
        wanted = ["Type", "Messages", "Pool", "Client", "FileSet"] if kind != "Copy" else ["Type", "Messages", "Pool"]
        for key in wanted:
            if effective(job, defs, key) is None:
                yield f"Job {job.name} lacks {key}"
        if kind != "Backup":
            continue
        if effective(job, defs, "Accurate") != "yes":
            yield f"Job {job.name}: Accurate must be yes"
        filesets.setdefault(effective(job, defs, "FileSet"), []).append(job.name)
        scripts = [s for r in (defs.get(job.value("JobDefs")), job) if r for s in r.nested("RunScript")]
        hooks = [s.value("Command") for s in scripts]
        for hook, code in (("before-job", "%n"), ("after-job", "%e"), ("job-ended", "%e")):
            if sum(f" hook {hook} " in h and "--jobid %i" in h and code in h for h in hooks) != 1:
                yield f"Job {job.name}: 'm365stage hook {hook}' is not called once, with its codes"
    for fileset, jobs in filesets.items():
        if len(jobs) > 1:
            yield f"FileSet {fileset} is used by {', '.join(jobs)}: Accurate wants one for each job"


def number(text):
    digits, unit = re.fullmatch(r"(\d+)([KMG]?)", text).groups()
    return int(digits) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[unit]


def check_devices(resources, pools, storages):
    for device in named(resources, "Device").values():
        if device.value("Maximum Concurrent Jobs") != "1":
            yield f"Device {device.name}: Maximum Concurrent Jobs must be 1"
        if device.value("Device Options") is None:
            continue
        options = dict(o.split("=", 1) for o in device.value("Device Options").strip('"').split(",") if "=" in o)
        if options.get("retries", "0") != "0" or int(options.get("iothreads", "0")) < 1:
            yield f"Device {device.name}: retries must be 0 and iothreads at least 1, or an outage loses data"
        chunk = number(options["chunksize"])
        if chunk < 10 << 20:
            yield f"Device {device.name}: a chunksize below 10 MiB is ignored"
        users = {s.name for s in storages.values() if s.value("Device") == device.name}
        for pool in pools.values():
            if pool.value("Storage") in users | {None} and int(pool.value("Maximum Volume Bytes")) / chunk >= MOST_CHUNKS:
                yield f"Pool {pool.name}: {MOST_CHUNKS} chunks of Device {device.name} do not hold Maximum Volume Bytes"


def check_folder(folder):
    daemons = {}
    for daemon in ("bareos-dir.d", "bareos-sd.d", "bareos-fd.d"):
        daemons[daemon] = []
        for top, _, names in os.walk(os.path.join(folder, daemon)):
            for name in sorted(n for n in names if n.endswith(".conf")):
                with open(os.path.join(top, name), encoding="utf-8") as f:
                    found = parse(f.read(), name)
                for resource in found:
                    yield from check_resource(daemon, resource, f"{name}: {resource.name}")
                daemons[daemon] += found
    with open(os.path.join(folder, "m365-operator.conf"), encoding="utf-8") as f:
        for resource in parse(f.read(), "bconsole.conf"):
            yield from check_resource("bconsole", resource, "bconsole.conf")
    director = daemons["bareos-dir.d"]
    for kind in {r.kind for r in director}:
        names = [r.name for r in director if r.kind == kind]
        yield from (f"{kind} {name} is there twice" for name in set(names) if names.count(name) > 1)
    yield from check_references(director)
    yield from check_jobs(director)
    storages = named(director, "Storage")
    yield from check_devices(daemons["bareos-sd.d"], named(director, "Pool"), storages)
    for storage in storages.values():
        device = named(daemons["bareos-sd.d"], "Device").get(storage.value("Device"))
        if device is None or device.value("Media Type") != storage.value("Media Type"):
            yield f"Storage {storage.name}: no such device, or of another media type"


def set_up(folder, runs):
    for arguments in runs:
        done = subprocess.run(["bash", os.path.join(EXAMPLES, "setup.sh"), *arguments, folder], capture_output=True, text=True,
                              check=False, env={"PATH": os.environ["PATH"]})
        if done.returncode:
            yield f"setup.sh {' '.join(arguments)}: {done.stdout}{done.stderr}"


def check_permissions():
    """README's table and the one of the registration scripts are the same."""
    root = os.path.join(HERE, "../..")
    with open(os.path.join(root, "README.md"), encoding="utf-8") as f:
        rows = {m[1]: m[0] for m in re.finditer(r"^\| `(\w+)` \|.*\|$", f.read(), re.M)}
    with open(os.path.join(root, "examples/tenant/permissions.tsv"), encoding="utf-8") as f:
        table = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    for kind, *sides in table:
        told = [set(re.findall(r"`([A-Z]\w+(?:\.\w+)+)`", cell)) for cell in rows.get(kind, "||||").split("|")[2:4]]
        if kind != "sharing" and told != [set(side.split()) for side in sides]:
            yield f"README.md tells other permissions of {kind} than permissions.tsv: {told}"


def self_test():
    """What must be found is found."""
    bad = parse('Job {\n Name = x\n Acurate = yes\n Level = Ful\n RunScript {\n Commando = "a"\n }\n Max Run Time = 2 fortnights\n}', "")
    found = " ".join(check_resource("bareos-dir.d", bad[0], ""))
    for word in ("acurate", "Ful,", "commando", "lacks command", "is no time"):
        if word not in found:
            yield f"the check itself does not find: {word}"


def main():
    problems = [*self_test(), *check_permissions()]
    for what, runs in RUNS.items():
        folder = tempfile.mkdtemp(prefix="m365-lint-")
        try:
            problems += [f"{what}: {p}" for p in [*set_up(folder, runs), *check_folder(folder)]]
        finally:
            shutil.rmtree(folder)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
