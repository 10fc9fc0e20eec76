"""The machine is lost, or the catalog: what the backup has is enough to go on."""

import os
import shutil

from bucket import Bucket
from harness import check
from world import Site, compare_copy


def by_way_of_s3(site):
    """The volumes go to a bucket, are lost here, and come back."""
    if not Bucket.is_possible():
        return "S3 was not tried: there is no moto_server"
    volumes = site.bacula.path("volumes")
    site.bacula.stop("sd")
    with Bucket(site.folder) as bucket:
        bucket.put(volumes)
        shutil.rmtree(volumes)
        os.mkdir(volumes, 0o700)
        size = bucket.get(volumes)
    site.bacula.start("sd")
    return f"{size:,} bytes of volumes went to S3 and came back"


def catalog_lost(site):
    """A new and empty catalog: the bootstrap file that the last job wrote is enough to restore all of it."""
    site.bacula.stop("dir")
    os.remove(site.bacula.path("work/catalog.db"))
    site.bacula.make_catalog()
    site.bacula.start("dir")
    where = site.path("by-bootstrap")
    bootstrap = site.bacula.path("work/m365-contoso.bsr")
    job = site.bacula.ended(site.bacula.begin("m365-contoso-restore", bootstrap=bootstrap, where=where))
    # Everything is restored; the job ends in error all the same, since the new catalog knows no volumes.
    check("not in catalog" in job.log or job.status == "T", f"restore by bootstrap: {job.log}")
    return where


def lost_machine(options):
    """Stage lost; tree restored, index rebuilt: the next pass downloads only what changed since. Catalog lost: restored too."""
    with Site(options, "lost") as site:
        site.bacula.run(level="Full").expect("T")
        told = by_way_of_s3(site)
        where = site.path("restored")
        site.bacula.restore(where, "mark *").expect("T")
        site.service.stop()
        again = catalog_lost(site)
        kept = site.path("kept")
        os.rename(site.tree, kept)
        compare_copy(kept, again + site.tree)
        shutil.rmtree(site.stage.root)
        os.makedirs(site.stage.root, 0o700)
        os.rename(where + site.tree, site.tree)
        names = compare_copy(kept, site.tree)
        # It needs no credentials: on a new machine they may be yet to come, and the service's user can't read them by itself.
        secret = site.stage.settings["app"]["client_secret_file"]
        os.rename(secret, secret + ".away")
        out = site.stage.run("index", "rebuild")
        check(out.exit == 0, f"index rebuild: {out.told()}")
        os.rename(secret + ".away", secret)
        changed = site.sim.op("create", user="ada@contoso.example", type="file", path="after the loss.txt", text="new")
        site.sim.forget_requests()
        site.stage.sync(expect=(0, 1))
        downloads = site.sim.downloads()
        check(set(downloads) == {changed["id"]}, f"downloaded after the rebuild: {downloads}")
        return f"{names} names restored; 1 of them new since, and only that was downloaded; {told}"
