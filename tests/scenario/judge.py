"""What m365stage left on disk against what the tenant has.

Nothing here is taken from the program under test: names, sidecars and hashes are computed anew from what
`GET /_sim/expected` says, so a wrong rule in the program is a difference here.
"""

import json
import os

from basics import MOST_TOLD, Failed, check, hash_of, walk
from names import local_name, sidecar_path, tagged_name

NOT_WRITABLE = ("Score",)  # a column that the service sets by itself, so that no restore could use it


def check_same_tree(before, after, what="a pass with nothing new touched the tree"):
    """Two snapshots are equal."""
    other = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    check(not other, f"{what}: {len(other)} names, {[os.fsdecode(p) for p in other[:4]]}")


class Comparison:
    """The tree against what the tenant has."""

    def __init__(self, stage, items=None):
        self.stage = stage
        self.tree = os.fsencode(os.path.join(stage.root, "tree"))
        self.items = items if items is not None else stage.sim.expected()
        self.wrong = []
        self.keys = {
            row["remote_id"]: row for row in stage.rows("SELECT * FROM container WHERE state='active'")
        }
        self.owed = {
            (row["drive"], row["remote_id"]): row
            for row in stage.rows(
                "SELECT c.remote_id AS drive, i.remote_id, p.reason, p.error, p.content, p.state, i.gone_round "
                "FROM pending AS p JOIN item AS i ON i.id=p.item_id JOIN container AS c ON c.id=i.container_id"
            )
        }

    def differs(self, text):
        self.wrong.append(text)

    def covered(self, item):
        """Caches and holds of SharePoint's own are left out on purpose; locked sites are not served."""
        return item["drive_name"] not in ("PersonalCacheLibrary", "Preservation Hold Library") and (
            item["drive"] not in self.not_served
        )

    def places(self):
        """Path in tree/ of every expected item, by drive and id."""
        by_id = {(item["drive"], item["id"]): item for item in self.items}
        rivals = {}
        for item in self.items:
            name = item["name"].encode()
            rivals.setdefault((item["drive"], item["parent_id"], name), []).append(item["id"].encode())
        places = {}

        def place(item):
            key = (item["drive"], item["id"])
            if key not in places:
                parent = by_id.get((item["drive"], item["parent_id"]))
                folder = place(parent) if parent else os.fsencode(self.keys[item["drive"]]["at_key"] or "")
                name = item["name"].encode()
                remote_id = item["id"].encode()
                leaf = local_name(name, remote_id)
                if leaf == name and min(rivals[(item["drive"], item["parent_id"], name)]) < remote_id:
                    leaf = tagged_name(name, remote_id)
                places[key] = os.path.join(folder, leaf)
            return places[key]

        for item in sorted(self.items, key=lambda i: len(i["names"])):
            place(item)
        return places

    def run(self):
        tenant = self.stage.sim.get("tenant")
        self.not_served = {d["id"] for d in tenant["drives"] if d["locked"] or d["system"]}
        self.items = [item for item in self.items if self.covered(item)]
        missing = {item["drive"] for item in self.items} - set(self.keys)
        check(not missing, f"drives without a container: {missing}")
        places = self.places()
        self.found = dict(walk(self.tree))
        self.accounted = set()
        for item in self.items:
            self.compare_item(item, places[(item["drive"], item["id"])])
        self.account_for_containers()
        for path in sorted(set(self.found) - self.accounted):
            self.differs(f"nothing expects {os.fsdecode(path)}")
        self.compare_work()
        self.report()

    def report(self):
        if self.wrong:
            told = "\n  ".join(self.wrong[:MOST_TOLD])
            raise Failed(f"{len(self.wrong)} differences between tree and tenant:\n  {told}")

    def have(self, path):
        self.accounted.add(path)
        return self.found.get(path)

    def compare_item(self, item, path):
        owed = self.owed.get((item["drive"], item["id"]))
        if item["malware"]:
            if not owed or owed["reason"] != "malware":
                self.differs(f"malware is not owed as such: {item['path']} ({dict(owed) if owed else None})")
            for kept in (path, sidecar_path(path)):  # a version of before it was found may stay
                if kept in self.found:
                    self.accounted.add(kept)
                    self.accounted.add(os.path.dirname(kept))
            return
        if owed:
            self.differs(f"still owed: {item['path']} ({owed['reason']}: {owed['error']})")
        if item["type"] == "file":
            self.compare_file(item, path)
        elif item["type"] != "shortcut":
            facts = self.have(path)
            if facts is None or facts.st_mode & 0o170000 != 0o040000:
                self.differs(f"folder is missing: {os.fsdecode(path)}")
            elif facts.st_mode & 0o7777 != 0o700:
                self.differs(f"folder has mode {facts.st_mode:o}: {os.fsdecode(path)}")
        self.compare_sidecar(item, path)

    def compare_file(self, item, path):
        facts = self.have(path)
        if facts is None or facts.st_mode & 0o170000 != 0o100000:
            self.differs(f"file is missing: {os.fsdecode(path)} ({item['id']})")
            return
        wanted = min(max(item["mtime"], 0), 4102444800)
        if facts.st_mtime_ns != wanted * 10**9:
            self.differs(f"mtime is {facts.st_mtime_ns / 1e9}, not {wanted}: {os.fsdecode(path)}")
        if facts.st_mode & 0o7777 != 0o600 or facts.st_nlink != 1:
            self.differs(f"file has mode {facts.st_mode:o}, {facts.st_nlink} links: {os.fsdecode(path)}")
        if facts.st_size != item["size"] or hash_of(os.path.join(self.tree, path)) != item["sha256"]:
            self.differs(f"other bytes ({facts.st_size}, not {item['size']}): {os.fsdecode(path)}")

    def compare_sidecar(self, item, path):
        where = sidecar_path(path)
        self.accounted.add(os.path.dirname(where))
        facts = self.have(where)
        name = os.fsdecode(where)
        if facts is None:
            self.differs(f"sidecar is missing: {name}")
            return
        with open(os.path.join(self.tree, where), "rb") as f:
            text = f.read()
        self.stage.check_secrets(text.decode(errors="replace"), name)
        try:
            s = json.loads(text)
        except ValueError as e:
            self.differs(f"sidecar is no JSON ({e}): {name}")
            return
        canonical = json.dumps(s, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
        if canonical.encode() != text:
            self.differs(f"sidecar is not canonical: {name}")
        wanted = {"id": item["id"], "name": item["name"], "type": item["type"], "parent_id": item["parent_id"]}
        if item["type"] == "file":
            wanted["staged"] = {"size": item["size"], "sha256": item["sha256"]}
            if item["altered"]:
                wanted["staged"]["verdict"] = "altered_by_service"
        for key, value in wanted.items():
            if s.get(key) != value:
                self.differs(f"sidecar says {key}={s.get(key)!r}, not {value!r}: {name}")
        if item.get("description") and s.get("item", {}).get("description") != item["description"]:
            self.differs(f"sidecar has no description {item['description']!r}: {name}")
        wanted = sorted((p["id"], p["role"]) for p in item["permissions"]) if item["shared"] else []
        told = sorted((p.get("id"), (p.get("roles") or [""])[0]) for p in s.get("permissions", []))
        if wanted != told:
            self.differs(f"sidecar has permissions {told}, not {wanted}: {name}")
        columns = {k: v for k, v in item.get("columns", {}).items() if k not in NOT_WRITABLE}
        if s.get("columns", {}) != columns:
            self.differs(f"sidecar has columns {s.get('columns')}, not {columns}: {name}")

    def account_for_containers(self):
        """Container folders, their sidecars, the folders above, and what departed owners left."""
        kept = self.stage.rows("SELECT at_key, state FROM container WHERE at_key IS NOT NULL")
        for row in kept:
            path = os.fsencode(row["at_key"])
            for there in (path, sidecar_path(path), os.path.dirname(sidecar_path(path))):
                if self.have(there) is None:
                    self.differs(f"of container {row['at_key']} is missing: {os.fsdecode(there)}")
            above = os.path.dirname(path)
            while above:
                self.accounted.add(above)
                above = os.path.dirname(above)
            if row["state"] != "active":
                self.accounted.update(p for p in self.found if p.startswith(path + b"/"))
        ours = (b".m365stage", b".m365stage/cursors.json", b".m365stage/manifest.json")
        self.accounted.update(p for p in self.found if p in ours)

    def compare_work(self):
        live = {(item["drive"], item["id"]) for item in self.items}
        for key, row in self.owed.items():
            if key not in live and row["drive"] in self.keys and row["reason"] != "malware":
                if self.keys[row["drive"]]["state"] == "active" and self.is_item(key):
                    self.differs(f"work is left for {key}: {dict(row)}")

    def is_item(self, key):
        """The root of a drive is no expected item, but may have work of its own."""
        return not self.stage.rows(
            "SELECT 1 FROM container AS c JOIN item AS i ON i.id=c.root_item WHERE c.remote_id=? AND i.remote_id=?",
            *key,
        )


def check_index(stage):
    """Promise 1: what the index says is staged is in the tree, whole. Returns how many files were read."""
    tree = os.path.join(stage.root, "tree")
    items = {row["id"]: row for row in stage.rows("SELECT * FROM item")}
    roots = {row["root_item"]: row["at_key"] for row in stage.rows("SELECT root_item, at_key FROM container")}
    paths = {}

    def path_of(number):
        if number not in paths:
            row = items.get(number)
            if number in roots:
                paths[number] = roots[number]
            elif row is None or row["at_parent"] is None:
                paths[number] = None
            else:
                folder = path_of(row["at_parent"])
                paths[number] = None if folder is None else folder + "/" + row["at_name"]
        return paths[number]

    wrong = []
    read = 0
    for number, row in items.items():
        path = path_of(number)
        if path is None or number in roots or row["type"] == 4:
            continue
        where = os.path.join(tree, path)
        try:
            facts = os.lstat(where)
            if row["type"] == 1:
                read += 1
                if row["sha256"] is None or facts.st_size != row["size"] or hash_of(where) != row["sha256"].hex():
                    wrong.append(f"{path}: the bytes are not those of the index")
            elif row["inode"] and facts.st_ino != row["inode"]:
                wrong.append(f"{path}: another folder than the index says")
        except FileNotFoundError:
            wrong.append(f"{path}: the index has it, the tree has not")
    check(not wrong, "the index claims what is not on disk:\n  " + "\n  ".join(wrong[:MOST_TOLD]))
    return read


def check_spool(stage):
    """After a complete pass nothing waits in the spool."""
    left = [os.fsdecode(p) for p, _ in walk(os.path.join(stage.root, "spool"))]
    left = [p for p in left if p not in ("trash", "parked")]
    check(not left, f"spool/ is not empty: {left[:MOST_TOLD]}")


def check_manners(sim, forgive=()):
    manners = sim.get("manners")
    rules = {rule: count for rule, count in manners["rules"].items() if count and rule not in forgive}
    check(not rules, f"bad manners: {rules}: {json.dumps(manners['violations'][:3])}")


def check_quiet(stage):
    """A pass over an unchanged tenant: not a name in tree/ is touched, not a byte is downloaded."""
    before = stage.snapshot()
    stage.sim.forget_requests()
    out = stage.sync(expect=(0, 1))
    after = stage.snapshot()
    touched = sorted(p for p in set(before) | set(after) if before.get(p) != after.get(p))
    told = "\n  ".join(f"{os.fsdecode(p)}: {before.get(p)} -> {after.get(p)}" for p in touched[:MOST_TOLD])
    check(not touched, f"an unchanged pass touched {len(touched)} names:\n  {told}\n{out.told()[:1500]}")
    downloads = stage.sim.downloads()
    check(not downloads, f"an unchanged pass downloaded {downloads}")
    check(not out.summary.get("new_generation"), f"an unchanged pass made a generation: {out.told()[:1500]}")
    return out


def compare(stage, quiet=False):
    """The complete comparison after a pass."""
    Comparison(stage).run()
    check_index(stage)
    check_spool(stage)
    if quiet:
        check_quiet(stage)
