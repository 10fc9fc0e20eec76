"""The machine is lost: what the backup has is enough to go on."""

import os
import shutil

from harness import check
from world import Site, compare_copy


def lost_machine(options):
    """Stage lost; tree restored, index rebuilt: the next pass downloads only what changed since."""
    with Site(options, "lost") as site:
        site.bacula.run(level="Full").expect("T")
        where = site.path("restored")
        site.bacula.restore(where, "mark *").expect("T")
        site.service.stop()
        kept = site.path("kept")
        os.rename(site.tree, kept)
        shutil.rmtree(site.stage.root)
        os.makedirs(site.stage.root, 0o700)
        os.rename(where + site.tree, site.tree)
        names = compare_copy(kept, site.tree)
        out = site.stage.run("index", "rebuild")
        check(out.exit == 0, f"index rebuild: {out.told()}")
        changed = site.sim.op("create", user="ada@contoso.example", type="file", path="after the loss.txt", text="new")
        site.sim.forget_requests()
        site.stage.sync(expect=(0, 1))
        downloads = site.sim.downloads()
        check(set(downloads) == {changed["id"]}, f"downloaded after the rebuild: {downloads}")
        return f"{names} names restored; 1 of them new since, and only that was downloaded"
