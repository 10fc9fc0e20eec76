"""Runs m365stage against m365sim and judges what it left on disk.

Nothing here is taken from the program under test: names, sidecars and hashes are computed anew from what
`GET /_sim/expected` says, so a wrong rule in the program is a difference here.
"""

import hashlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import sqlite3
import ssl
import subprocess
import tempfile
import time
import urllib.parse

STATE_FOLDER = ".m365stage"
SIDECARS = ".m365"
MOST_TOLD = 12  # differences shown of one comparison


class Failed(Exception):
    """A promise is broken; the message says which and where."""


class Skipped(Exception):
    """The scenario can't run here; the message says why."""


def check(condition, message):
    if not condition:
        raise Failed(message)


# ---------------------------------------------------------------------------------------------------- names


def short_tag(data, length):
    digits = "0123456789abcdefghijklmnopqrstuv"
    number = int.from_bytes(hashlib.sha256(data).digest(), "big")
    return "".join(digits[(number >> (256 - 5 * (i + 1))) & 31] for i in range(length))


def cut(data, size):
    """The longest prefix of at most `size` bytes that does not cut a UTF-8 sequence."""
    if len(data) <= size:
        return data
    while size > 0 and data[size] & 0xC0 == 0x80:
        size -= 1
    return data[:size]


def is_control(byte):
    return byte < 0x20 or byte == 0x7F


def fits(name):
    if not name or len(name) > 255 or name in (b".", b"..", b".m365", b".m365stage"):
        return False
    if any(byte == 0x2F or is_control(byte) for byte in name):
        return False
    return not (len(name) == 250 and re.fullmatch(rb"~[0-9a-v]{16}", name[-17:]))


def tagged_name(name, remote_id):
    clean = bytes(0x5F if byte == 0x2F or is_control(byte) else byte for byte in name)
    dot = clean.rfind(b".")
    if dot <= 0 or len(clean) - dot > 16:
        dot = len(clean)
    extension = clean[dot:]
    tag = b"~" + short_tag(remote_id + b"\0" + name, 16).encode()
    return cut(clean[:dot], 255 - len(tag) - len(extension)) + tag + extension


def local_name(name, remote_id):
    return name if fits(name) else tagged_name(name, remote_id)


def sidecar_name(local):
    if len(local) + 5 <= 255:
        return local + b".json"
    stem = cut(local, 233)
    return stem + b"_" * (233 - len(stem)) + b"~" + short_tag(local, 16).encode() + b".json"


def sidecar_path(path):
    folder, leaf = os.path.split(path)
    return os.path.join(folder, SIDECARS.encode(), sidecar_name(leaf))


# ------------------------------------------------------------------------------------------------ simulator


class Simulator:
    """One m365sim process and its admin API."""

    def __init__(self, build, folder, *arguments):
        self.folder = folder
        binary = os.path.join(build, "tests/simulator/m365sim")
        self.errors = open(os.path.join(folder, "sim.err"), "w+b")
        self.process = subprocess.Popen(
            [binary, "--dir", os.path.join(folder, "sim"), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        ready, _, _ = select.select([self.process.stdout], [], [], 60)
        line = self.process.stdout.readline() if ready else b""
        check(line, "m365sim did not start")
        self.facts = json.loads(line)
        self.tls = ssl.create_default_context(cafile=self.facts["ca_file"])
        self.connection = None

    def ask(self, method, path, body=None):
        host = urllib.parse.urlsplit(self.facts["graph"]).netloc
        data = None if body is None else json.dumps(body).encode()
        for attempt in (0, 1):
            if self.connection is None:
                self.connection = http.client.HTTPSConnection(host, context=self.tls, timeout=300)
            try:
                self.connection.request(method, "/_sim/" + path, data, {"Content-Type": "application/json"})
                answer = self.connection.getresponse()
                text = answer.read()
                break
            except (OSError, http.client.HTTPException):
                self.connection.close()
                self.connection = None
                if attempt:
                    raise
        if answer.status >= 300:
            raise Failed(f"the simulator refuses {method} {path} {body}: {text.decode(errors='replace')[:300]}")
        return text

    def get(self, path):
        return json.loads(self.ask("GET", path) or b"null")

    def post(self, where, /, **body):
        return json.loads(self.ask("POST", where, body) or b"null")

    def delete(self, path):
        return self.ask("DELETE", path)

    def expected(self):
        return [json.loads(line) for line in self.ask("GET", "expected?drive=all&hashes=1").splitlines()]

    def change(self, seed, count, **more):
        return self.post("change", seed=seed, count=count, **more)

    def op(self, what, /, **more):
        return self.post("op", op=what, **more)

    def page_size(self, items):
        """Small pages, whatever a client asks for: so that rounds have several."""
        self.post("settings", page_size=items, page_size_max=items)

    def fault(self, kind, **more):
        return self.post("faults", type=kind, **more)

    def clear_faults(self):
        self.delete("faults")

    def forget_requests(self):
        self.post("requests/reset")

    def downloads(self):
        return self.get("downloads") or {}

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


# -------------------------------------------------------------------------------------------------- product


class Outcome:
    def __init__(self, exit_code, stdout, stderr, seconds):
        self.exit = exit_code
        self.stdout = stdout
        self.stderr = stderr
        self.seconds = seconds
        self.summary = {}
        for line in stdout.splitlines():
            if line.startswith("{"):
                self.summary = json.loads(line)

    def told(self):
        return (self.stdout + "\n" + self.stderr).strip()


def yaml_of(settings, depth=0):
    lines = []
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            lines += [" " * depth + key + ":", yaml_of(value, depth + 2)]
        else:
            lines.append(" " * depth + key + ": " + json.dumps(value))  # JSON is YAML
    return "\n".join(lines)


class Stage:
    """A configuration, a stage root, and m365stage on them."""

    def __init__(self, build, sim, folder, root=None):
        self.binary = os.path.join(build, "daemon/m365stage")
        self.sim = sim
        self.folder = folder
        self.root = root or os.path.join(folder, "stage")
        self.config_file = os.path.join(folder, "config.yaml")
        self.settings = {
            "tenant": {"id": sim.facts["tenant"]},
            "app": {
                "client_id": sim.facts["client_id"],
                "client_secret_file": sim.facts["client_secret_file"],
            },
            "limits": {"sharepoint_units_per_minute": "unlimited"},
            "endpoints": {
                "login": sim.facts["login"],
                "graph": sim.facts["graph"],
                "ca_file": sim.facts["ca_file"],
            },
            "stage": {"root": self.root, "min_free_bytes": 0},
            "kinds": ["onedrive", "sharepoint"],
            "guard": {"max_deleted_share": 1},
        }
        with open(sim.facts["client_secret_file"], encoding="utf-8") as f:
            self.secrets = [f.read().strip()]
        os.makedirs(self.root, 0o700, exist_ok=True)
        self.configure()

    def configure(self, **changes):
        for section, values in changes.items():
            if isinstance(values, dict) and isinstance(self.settings.get(section), dict) and section != "app":
                self.settings[section].update(values)
            else:
                self.settings[section] = values
        with open(self.config_file, "w", encoding="utf-8") as f:
            f.write(yaml_of(self.settings) + "\n")
        os.chmod(self.config_file, 0o600)

    def start(self, *arguments):
        """A `sync` whose end nobody waits for."""
        return subprocess.Popen(
            [self.binary, "--config", self.config_file, "sync", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def run(self, *arguments, timeout=300, environment=None):
        began = time.monotonic()
        command = [self.binary, "--config", self.config_file, *arguments]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=timeout, check=False, env=environment
            )
        except subprocess.TimeoutExpired as e:
            raise Failed(f"m365stage {' '.join(arguments)} did not end in {timeout} s: {e.stderr}") from e
        out = Outcome(
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
            time.monotonic() - began,
        )
        self.check_secrets(out.told(), "the output")
        check(done.returncode >= 0, f"m365stage died of signal {-done.returncode}: {out.told()[-2000:]}")
        return out

    def check_secrets(self, text, where):
        for secret in self.secrets:
            check(secret not in text, f"a secret is in {where}: {text[:2000]}")
        # Pre-authenticated addresses, and tokens (three parts of base64 of which two are JSON).
        found = re.search(r"tempauth|downloadUrl|eyJ[A-Za-z0-9_-]{10,}\.", text)
        check(not found, f"a secret ({found and found[0]}) is in {where}: {text[:2000]}")

    def sync(self, *arguments, expect=None, **more):
        out = self.run("--json", "sync", *arguments, **more)
        if expect is not None:
            wanted = expect if isinstance(expect, tuple) else (expect,)
            check(out.exit in wanted, f"sync ended with {out.exit}, not {wanted}: {out.told()[-3000:]}")
        return out

    def finish(self, expect=2):
        """A pass over nothing: what was cut off is finished, and no more."""
        return self.sync("--only", "no such container", expect=expect)

    def database(self):
        db = sqlite3.connect(os.path.join(self.root, "index.db"), timeout=30)
        db.row_factory = sqlite3.Row
        return db

    def rows(self, statement, *parameters):
        db = self.database()
        try:
            return db.execute(statement, parameters).fetchall()
        finally:
            db.close()

    def write(self, statement, *parameters):
        db = self.database()
        try:
            with db:
                return db.execute(statement, parameters).rowcount
        finally:
            db.close()

    def hurry(self):
        """What is owed is due now, not after its pause."""
        self.write("UPDATE pending SET next_try=0")

    def snapshot(self):
        """Everything about every name in tree/ that an incremental backup could notice."""
        out = {}
        for path, facts in walk(os.path.join(self.root, "tree")):
            out[path] = (facts.st_ino, facts.st_mode, facts.st_uid, facts.st_gid, facts.st_size,
                         facts.st_mtime_ns, facts.st_ctime_ns, facts.st_nlink)
        return out


def walk(top):
    """Every name below `top` with its lstat; paths are bytes, relative."""
    top = os.fsencode(top)
    stack = [b""]
    while stack:
        folder = stack.pop()
        with os.scandir(os.path.join(top, folder)) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                yield path, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    stack.append(path)


def check_same_tree(before, after, what="a pass with nothing new touched the tree"):
    """Two snapshots are equal."""
    other = sorted(p for p in before.keys() | after.keys() if before.get(p) != after.get(p))
    check(not other, f"{what}: {len(other)} names, {[os.fsdecode(p) for p in other[:4]]}")


def hash_of(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(
            f.read()
        ).hexdigest()


# ----------------------------------------------------------------------------------------------- comparison


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


class World:
    """A folder, a simulator and a stage for one scenario; removed at the end, kept if it failed."""

    def __init__(self, options, name, *arguments):
        self.options = options
        self.folder = tempfile.mkdtemp(prefix=f"m365-{name}-", dir=options.temp)
        self.sim = None
        self.arguments = arguments

    def __enter__(self):
        try:
            self.sim = Simulator(self.options.simulator, self.folder, *self.arguments)
            self.stage = Stage(self.options.build, self.sim, self.folder)
        except BaseException:
            if self.sim:
                self.sim.stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.sim.stop()
        if kind is None or issubclass(kind, Skipped):
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print(f"    kept: {self.folder}", flush=True)


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
