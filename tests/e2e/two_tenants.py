"""Two tenants on one host: m365stage@fabrikam beside m365stage, one Bareos for both."""

import json

from harness import check
from world import Site, compare_copy, plain_files

JOBS = {"contoso": "m365-contoso", "fabrikam": "m365-fabrikam"}


def two_tenants(options):
    """Jobs of both at the same time: each holds its own tree, saves it alone, and is known to its own service alone."""
    with Site(options, "fabrikam", "--users", 1, "--sites", 0, "--groups", 0, "--seed", 8, setup=None) as fabrikam:
        with Site(options, "contoso", "--users", 1, "--sites", 0, "--groups", 0, second=fabrikam) as contoso:
            sites = {"contoso": contoso, "fabrikam": fabrikam}
            bacula = contoso.bacula
            numbers = {name: bacula.begin(job, "Full") for name, job in JOBS.items()}
            for name, site in sites.items():
                number = numbers[name]
                job = bacula.ended(number).expect("T")
                saved = plain_files(bacula.saved(number, stage=site.stage))
                check(saved == set(site.files()), f"the job of {name} saved another tree: {saved ^ set(site.files())}")
                check(job.log.count("the tree stands still") == 1, f"{name}: {job.log}")
                known = [j["job_id"] for j in json.loads(site.stage.run("--json", "jobs").stdout)]
                check(known == [str(number)], f"{name} knows jobs {known}, not {number}")
            where = contoso.path("restored")
            bacula.restore(where, "mark *", job="m365-fabrikam-restore", fileset="m365-fabrikam").expect("T")
            names = compare_copy(fabrikam.tree, where + fabrikam.tree)
            out = bacula.console("list jobs", config="operator.conf")
            check(all(job in out for job in JOBS.values()), f"the operator does not see both: {out}")
            return f"{names} names of fabrikam restored"
