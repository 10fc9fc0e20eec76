"""Answers that are legal, or nearly: what they say must not be taken for more than that."""

import json

from cases import scenario
from cases.faults import forget_cursors
from cases.mail import sync_until_equal
from harness import World, check, check_manners, check_quiet, check_same_tree, compare

KINDS = ["onedrive", "sharepoint", "groups", "mail", "calendar", "contacts", "tasks"]


def departed(stage):
    return stage.rows("SELECT key, state FROM container WHERE state<>'active'")


def forget_owners(stage):
    """The directory is read from its beginning, and everything else as well."""
    stage.write("DELETE FROM setting WHERE key LIKE 'delta:%'")
    forget_cursors(stage)


@scenario
def told_in_part(options):
    """null marks of removal, users and groups told in part, in full rounds and in later ones: nothing departs"""
    with World(options, "parts", "--seed", options.seed, "--users", 2, "--sites", 1, "--groups", 2, "--specials", 0,
               "--files-per-drive", 8, "--messages-per-mailbox", 8) as w:
        w.stage.configure(kinds=KINDS)
        for form in ("again", "alone"):
            w.sim.fault("null_removed")
            w.sim.fault("told_in_part", form=form)
            w.stage.sync(expect=0)
            check(len(w.stage.rows("SELECT 1 FROM owner WHERE kind='group'")) == 2, f"{form}: groups are missing")
            check(not departed(w.stage), f"{form}: {departed(w.stage)}")
            before = w.stage.snapshot()
            forget_owners(w.stage)
            w.stage.sync(expect=0)
            check(not departed(w.stage), f"{form}, all anew: {departed(w.stage)}")
            check_same_tree(before, w.stage.snapshot(), f"{form}: a null mark or a part of an owner touched the tree")
            w.sim.clear_faults()
            w.sim.post("directory", op="add_user", name=f"new-{form}")
        # A failure to learn more of one owner keeps the feed where it is.
        cursor = "SELECT value FROM setting WHERE key='delta:user'"
        kept = w.stage.rows(cursor)
        w.sim.fault("told_in_part", form="alone")
        w.sim.fault("error", path="/users/(?!delta)[^/?]+[?]", status=500)
        out = w.stage.sync(expect=1)
        check("discover user " in out.stderr, out.stderr)
        check(w.stage.rows(cursor) == kept, "the feed went on although an owner is not known")
        w.sim.clear_faults()
        w.stage.sync(expect=0)
        check(w.stage.rows("SELECT 1 FROM owner WHERE kind='user' AND name LIKE 'new-alone%'"), "an owner is lost")
        check_manners(w.sim)


@scenario
def redirected(options):
    """every list and content is redirected within its host; leading elsewhere nothing follows, and that is told"""
    with World(options, "redirected", "--seed", options.seed, "--users", 1, "--sites", 1, "--groups", 0, "--specials", 0,
               "--files-per-drive", 8, "--messages-per-mailbox", 8) as w:
        for status in (301, 302, 307, 308):
            w.sim.fault("redirect", to="here", status=status, path="^/v1.0/", method="GET" if status < 307 else "")
            w.stage.sync(expect=0)
            compare(w.stage)
            w.sim.clear_faults()
            w.sim.change(options.seed + status, 10)
            forget_owners(w.stage)
        w.sim.fault("redirect", service="directory", status=308)
        out = w.stage.sync(expect=1)
        check("redirects to evil.example, which is not the Graph host" in out.stderr, out.stderr)
        w.sim.clear_faults()
        w.stage.sync(expect=0)
        compare(w.stage)
        w.sim.fault("redirect", to="here", status=307, path="^/v1.0/")
        w.stage.configure(kinds=["mail"])
        sync_until_equal(w)
        check_manners(w.sim)


@scenario
def compressed(options):
    """content comes compressed although it was asked for as it is, whole and cut; each file is what it should be"""
    with World(options, "compressed", "--seed", options.seed, "--users", 1, "--sites", 1, "--groups", 0,
               "--specials", 0, "--files-per-drive", 20) as w:
        w.sim.fault("compressed", service="files")
        w.stage.sync(expect=0)
        compare(w.stage)
        altered = w.stage.rows("SELECT 1 FROM item WHERE verdict='altered_by_service'")
        check(not altered, f"{len(altered)} files are not what was announced")
        # Cut, so that they are resumed; now and then the rest is compressed and the beginning was not.
        for chance in (1.0, 0.5):
            w.sim.change(options.seed + int(chance * 10), 40, weights={"edit": 1, "create_file": 1})
            w.sim.clear_faults()
            w.sim.fault("compressed", service="files", probability=chance, seed=options.seed)
            w.sim.fault("short_body", service="files", probability=0.3, bytes=300, seed=options.seed)
            for _ in range(4):
                w.stage.hurry()
                w.stage.sync(expect=(0, 1))
        w.sim.clear_faults()
        w.stage.hurry()
        w.stage.sync(expect=0)
        compare(w.stage)
        check(not w.stage.rows("SELECT 1 FROM item WHERE verdict='altered_by_service'"), "glued files")
        check_quiet(w.stage)


@scenario
def odd_tokens(options):
    """a token whose life is not told or a text is used; one of nonsense ends with exit code 3, at once"""
    with World(options, "tokens", "--users", 1, "--sites", 0, "--groups", 0, "--files-per-drive", 3) as w:
        w.stage.configure(kinds=["onedrive"])
        for more in ({"drop": ["expires_in"]}, {"set": {"expires_in": None}}, {"set": {"expires_in": "3599"}}):
            w.sim.fault("set_members", service="login", **more)
            w.stage.sync(expect=(0, 1))
            w.sim.clear_faults()
        for life in (0, -1, "soon", {}):
            w.sim.forget_requests()
            w.sim.fault("set_members", service="login", set={"expires_in": life})
            out = w.stage.sync(expect=3)
            asked = w.sim.get("requests")
            check(asked["token"] == 1, json.dumps(asked))
            check("expires_in" in out.stderr, out.stderr)
            w.sim.clear_faults()


@scenario
def garbage_pages(options):
    """each second page is null, HTML or an object without a list: asked again, no pass is the worse for it"""
    with World(options, "garbage", "--seed", options.seed, "--users", 1, "--sites", 0, "--groups", 0, "--specials", 0,
               "--files-per-drive", 20) as w:
        w.stage.configure(kinds=["onedrive"])
        w.sim.page_size(5)
        for kind, more in (("ok_html", {}), ("set_members", {"drop": ["value"]})):
            for nth in range(1, 12, 2):
                w.sim.fault(kind, path="/delta", nth=nth, count=1, **more)
            w.stage.sync(expect=0)
            compare(w.stage)
            w.sim.clear_faults()
            w.sim.change(options.seed, 20)
            forget_owners(w.stage)
        check_manners(w.sim)
