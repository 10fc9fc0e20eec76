"""A job that must not run is refused, and its log says why. Each cause is really made, and then mended."""

from cycle import check_hook_lines
from daemons import await_condition
from harness import check
from world import Site

OWNER = {"user": "ada@contoso.example"}


def refused(site, status, reason):
    """Runs a job that must be refused with exit code `status` and `reason` (or one of several); the line of its log."""
    held = site.snapshot()
    job = site.bacula.run().expect("f", "E")
    told = [line for line in check_hook_lines(job.log) if "backup refused" in line]
    reasons = (reason,) if isinstance(reason, str) else reason
    check(len(told) == 1 and any(r in told[0] for r in reasons), f"the log does not say '{reason}' in one line:\n{job.log}")
    check(f"status={status}" in job.log, f"the hook did not end with {status}:\n{job.log}")
    check(job.files == 0 and not site.bacula.saved(job.number), f"a refused job saved files:\n{job.log}")
    check(site.service.process is None or not site.leases(), "a refused job holds the tree still")
    return held, told[0].removeprefix("m365stage: backup refused: ")


def accepted(site):
    job = site.bacula.run().expect("T")
    check(not site.leases(), "the job has ended, and the tree is still held")
    return job


def service_down(site):
    site.service.stop()
    held, told = refused(site, 5, "does not run")
    check(site.snapshot() == held, "the tree moved without a service")
    site.service.start()
    return told


def signed_out(site):
    site.sim.post("auth", refuse=7000222, expire_all=True)
    held, told = refused(site, 3, "AADSTS7000222: The provided client secret keys for app are expired")
    check(site.snapshot() == held, "the tree moved though nobody can sign in")
    site.sim.post("auth", refuse=0)
    # A credential that was refused is not tried at every question; a new one is read at the start.
    site.service.stop()
    site.service.start()
    accepted(site)
    return told


def out_of_disk(site):
    if site.disk is None:
        return f"(a full disk was not tried: {site.no_disk})"
    site.sim.op("create", **OWNER, type="file", path="larger than the disk.bin", size=80 << 20, seed=5)
    _, told = refused(site, 5, ("the disk has no room for 1 item", "No space left", "MiB are free"))
    site.disk.remount("size=200m")
    job = accepted(site)
    check(any("larger than the disk" in path for path in site.bacula.saved(job.number)), f"not saved:\n{job.log}")
    return told


def held_by_guard(site):
    site.sim.op("delete", **OWNER, path="many")
    _, told = refused(site, 6, "held by the guard")
    out = site.stage.run("guard", "list")
    check("users/ada@contoso.example/onedrive" in out.stdout, f"guard list: {out.told()}")
    out = site.stage.run("guard", "approve", "users/ada@contoso.example/onedrive")
    check(out.exit == 0, f"guard approve: {out.told()}")
    job = accepted(site)
    gone = site.bacula.saved(job.number, deleted=True)
    check(any("/many/" in path for path in gone), f"approved deletions are not in the catalog: {gone}")
    return told


def timed_out(site):
    site.bacula.reconfigure(hook_options=" --timeout 2s")
    site.sim.fault("delay", service="graph", delay_ms=600000, count=-1)
    _, told = refused(site, 7, "not ready in time")
    site.sim.clear_faults()
    site.bacula.reconfigure()
    return told


def refusals(options):
    """Service down, sign-in refused, disk full, held by the guard, timed out: each job log says it in one line."""
    with Site(options, "refusals", "--users", 2, "--sites", 1, "--groups", 0, disk="40m",
              guard={"max_deleted_share": 0.3, "min_deleted_items": 10}) as site:
        for number in range(40):
            site.sim.op("create", **OWNER, type="file", path=f"many/{number}.txt", text=f"number {number}\n")
        accepted(site)
        told = [step(site) for step in (service_down, signed_out, out_of_disk, held_by_guard, timed_out)]
        await_condition(lambda: "m365-contoso" in site.mails(), "a mail about a refused job")
        return "\n      ".join(["", *told])
