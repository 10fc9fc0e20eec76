"""The tree in several jobs, each with a FileSet of its own: examples/bareos/variants/parts."""

from cycle import change_tenant, fill_desk
from harness import check
from world import OWN_FILES, Site, compare_copy, moved, plain_files

PARTS = ("exchange", "onedrive", "sites")


def saved_by(site, level=None):
    """part -> what its job saved. All are begun at once, as by one schedule."""
    numbers = {part: site.bacula.begin(f"m365-contoso-{part}", level) for part in PARTS}
    jobs = {part: site.bacula.ended(number).expect("T") for part, number in numbers.items()}
    return {part: plain_files(site.bacula.saved(job.number)) for part, job in jobs.items()}


def check_split(saved, expected):
    """Together they hold all of it, and nothing twice but the sidecars of the containers themselves."""
    together = set().union(*saved.values())
    check(together == expected, f"the parts are not the whole: {sorted(together ^ expected)[:12]}")
    twice = {path for path in together if sum(path in part for part in saved.values()) > 1}
    check(all(path.split("/")[0] == "users" and path.split("/")[2] == ".m365" for path in twice), f"in two parts: {sorted(twice)[:12]}")


def parts(options):
    """Mail, files of users, and sites in three jobs: together the whole tree, in a Full, an Incremental and a restore."""
    with Site(options, "parts", "--users", 2, "--sites", 1, "--groups", 1, "--messages-per-mailbox", 5, setup=("--variant", "parts"),
              kinds=["onedrive", "sharepoint", "groups", "mail", "calendar"]) as site:
        fill_desk(site)
        first = saved_by(site, "Full")
        check_split(first, set(site.files()))
        check(any("/mail/" in path for path in first["exchange"]), "no mail in the part of Exchange")
        before = site.files()
        change_tenant(site)
        later = saved_by(site)
        expected, _ = moved(before, site.files())
        # The manifest is written for each of the jobs, and only one of them saves it.
        check_split({part: paths - OWN_FILES for part, paths in later.items()}, expected - OWN_FILES)
        where = site.path("restored")
        for part in PARTS:
            site.bacula.restore(where, "mark *", fileset=f"m365-contoso-{part}").expect("T")
        names = compare_copy(site.tree, where + site.tree)
        return f"{[len(paths) for paths in first.values()]} files in the parts, {names} names restored"
