"""What a person types, and what Bareos does with the lines that a person wrote."""

import json
import os
import shutil
import subprocess

from cases import scenario
from cases.mishaps import small
from cases.restore import copy_of
from harness import check, compare
from running import before, hook, readiness, serving, wait_until


@scenario
def app_of_each_command(options):
    """sync needs the credential of app alone, restore that of restore_app alone; either is refused if others can read it"""
    with small(options, "apps") as w:
        w.stage.sync(expect=0)
        source = copy_of(w.stage)
        app = dict(w.stage.settings["app"])
        good = app["client_secret_file"]
        open_file, missing = os.path.join(w.folder, "open"), os.path.join(w.folder, "missing")
        shutil.copyfile(good, open_file)
        os.chmod(open_file, 0o644)
        for bad, told in ((open_file, "chmod 600 " + open_file), (missing, "does not exist")):
            w.stage.configure(app=app, restore_app={**app, "client_secret_file": bad})
            w.stage.sync(expect=0)
            checked = w.stage.run("check")
            check(checked.exit == 0, f"check ended with {checked.exit}: {checked.told()}")
            line = next(x for x in checked.stdout.splitlines() if x.startswith("warn  restore_app"))
            check(told in line and "restore' is refused" in line, line)
            refused = w.stage.run("restore", "--from", source, "--dry-run")
            check(refused.exit == 2, f"restore with {bad} ended with {refused.exit}: {refused.told()}")
            check("config.yaml:" in refused.stderr and "restore_app.client_secret_file: " in refused.stderr
                  and told in refused.stderr, refused.stderr)
            w.stage.configure(app={**app, "client_secret_file": bad}, restore_app=app)
            w.stage.sync(expect=2)
            out = w.stage.run("restore", "--from", source, "--in-place", "--dry-run")
            check(out.exit == 0, f"restore without the backup's credential: {out.told()}")
        return line


@scenario
def hook_lines(options):
    """the lines of the README and of the design, without quotes around %e and %n: the lease ends, the words arrive"""
    statuses = ("OK", "OK -- with warnings", "Error", "Fatal Error", "Canceled", "")
    with serving(options, "hooklines", "--users", 1, "--sites", 0, "--specials", 0, sync={"interval": "1h"}) as (w, _):
        stage = w.stage
        wait_until(lambda: readiness(stage)[0] == 200, "the first pass", longest=60)

        def leases():
            return json.loads(stage.run("--json", "lease", "list").stdout)

        def line(text, expect=0):
            return hook(stage, *text.split(), expect=expect)

        for number, status in enumerate(statuses, 1):
            line(f"before-job --job Nightly of contoso --jobid {number} --level Full --max-age 1h")
            check([x["holder"] for x in leases()] == ["Nightly of contoso"], f"leases: {leases()}")
            line(f"after-job --jobid {number} --status {status}")
            check(not leases(), f"after '{status}' the lease is still there: {leases()}")
            line(f"job-ended --status {status} --jobid {number}")
        jobs = {j["job_id"]: j for j in json.loads(stage.run("--json", "jobs").stdout)}
        for number, status in enumerate(statuses, 1):
            job = jobs[str(number)]
            told = status or "unknown"
            check((job["read_status"], job["status"]) == (told, told), f"'{status}' arrived as {job}")
            check(job["saved"] == status.startswith("OK"), f"'{status}': {job}")
        # Whatever else is wrong with the line or the configuration: the tree is let go.
        with open(stage.config_file, encoding="utf-8") as f:
            configuration = f.read()
        for number, text in enumerate(("--jobid 20", "now --jobid 21 --status OK", "--jobid 22 --status OK --what is this",
                                       "--jobid 23 --status OK"), 20):
            before(stage, str(number), "--max-age", "1h")
            if number == 23:
                with open(stage.config_file, "a", encoding="utf-8") as f:
                    f.write("nonsense: 1\n")
            line("after-job " + text)
            with open(stage.config_file, "w", encoding="utf-8") as f:
                f.write(configuration)
            check(not leases(), f"after '{text}' the lease is still there")


@scenario
def root_not_there(options):
    """stage.root on a disk that is not mounted: sync, verify and check end with 5 and say so"""
    told = ""
    with small(options, "noroot") as w:
        link = os.path.join(w.folder, "link")
        os.symlink(os.path.join(w.folder, "not-mounted"), link)
        for root in (link, os.path.join(link, "stage"), "/proc/x"):
            w.stage.configure(stage={"root": root})
            for command in ("sync", "verify", "check"):
                out = w.stage.run(command)
                check(out.exit == 5, f"{command} on {root} ended with {out.exit}: {out.told()}")
                told = next(x for x in out.told().splitlines() if root in x and "mounted" in x)
        check(not os.path.exists(os.path.join(w.folder, "not-mounted")), "it was made")
    return told


@scenario
def lost_index(options):
    """index.db is gone, or empty: nothing begins anew beside the tree, by command or service, until it is rebuilt"""
    with serving(options, "lostindex", "--users", 1, "--sites", 0, "--specials", 0, sync={"interval": "1h"}) as (w, service):
        stage = w.stage
        wait_until(lambda: readiness(stage)[0] == 200, "the first pass", longest=60)
        service.stop()
        path = os.path.join(stage.root, "index.db")

        def lose(empty):
            for tail in ("", "-wal", "-shm"):
                if os.path.exists(path + tail):
                    os.unlink(path + tail)
            if empty:
                open(path, "wb").close()

        still = stage.snapshot()
        w.sim.forget_requests()
        for empty in (True, False):
            lose(empty)
            for command in ("sync", "verify", "check", "status", "ls"):
                out = stage.run(command)
                line = next((x for x in out.told().splitlines() if "index rebuild" in x), "")
                check(out.exit == 5 and path in line, f"{command} ended with {out.exit}: {out.told()}")
            check(os.path.exists(path) == empty and (not empty or os.path.getsize(path) == 0), "an index was made")
        service.start()
        wait_until(lambda: readiness(stage) == (503, ["index"]), "the service says so")
        check("index rebuild" in before(stage, "1", expect=5).told().replace("m365stage: ", ""), "the hook does not say how")
        check(not w.sim.downloads() and not stage.has_moved(still), "something was done all the same")
        kept = set()
        for _ in range(3):  # within a second or two
            out = stage.run("--json", "index", "rebuild")
            check(out.exit == 0, f"rebuild beside the service: {out.told()}")
            kept.add(out.summary["old_index"])
        check(len(kept) == 3, f"the old ones are kept as {kept}")
        service.stop()
        stage.sync(expect=0)
        check(not w.sim.downloads(), f"downloaded again: {w.sim.downloads()}")
        compare(stage)
        # Who moves the tree away begins anew.
        lose(False)
        os.rename(os.path.join(stage.root, "tree"), os.path.join(w.folder, "tree"))
        stage.sync(expect=0)
        check(w.sim.downloads(), "nothing was downloaded")
    return line


@scenario
def patterns(options):
    """a user, a container or a folder selects all below it: in ls, sync --only, export; what fits nothing is no failed pass"""
    with small(options, "patterns") as w:
        stage = w.stage
        stage.sync("--only", "users/ada@contoso.example", expect=0)
        stage.sync("--only", "Users/Ada@contoso.example/", expect=0)

        def listed(*pattern):
            return [json.loads(x)["path"] for x in stage.run("--json", "ls", *pattern).stdout.splitlines()]

        top = "users/ada@contoso.example/onedrive"
        everything = listed()
        check(everything and all(p.startswith(top + "/") for p in everything), f"only ada was asked for: {everything}")
        for pattern in (top, top + "/", "users/ada@contoso.example", "users/*/onedrive", "users/"):
            check(listed(pattern) == everything, f"ls {pattern}: {listed(pattern)}")
        folder = next(p for p in everything if os.path.isdir(os.path.join(stage.root, "tree", p)))
        below = [p for p in everything if p == folder or p.startswith(folder + "/")]
        check(listed(folder) == below and listed(folder + "/") == below, f"ls {folder}: {listed(folder)}")
        check(listed("users/ad") == [], "a part of a name selects something")
        target = os.path.join(w.folder, "plain")
        out = stage.run("export", "--from", stage.root, "--to", target, "--select", folder + "/")
        check(out.exit == 0, out.told())
        shown = json.loads(stage.run("--json", "status").stdout)["passes"]
        stage.sync("--only", "users/nobody", expect=2)
        again = json.loads(stage.run("--json", "status").stdout)["passes"]
        check(again == shown and all(p["outcome"] == "complete" for p in again), f"passes: {again}")
        stage.sync(expect=0)
        compare(stage, quiet=True)
        return f"{len(everything)} items, {len(below)} below {folder}"


@scenario
def usage(options):
    """what was typed wrong is named: commands, numbers; m365sim helps as well"""
    with small(options, "usage") as w:
        for words, told in ((["snyc"], "unknown command 'snyc'; expected one of serve, sync"),
                            (["guard", "lst"], "unknown command 'lst'; expected one of list, approve"),
                            (["changes", "--since", "abc"], "'abc' is not the number of a generation"),
                            (["jobs", "--limit", "0"], "'0' is not a number of jobs")):
            out = w.stage.run(*words)
            check(out.exit == 2 and told in out.stderr and len(out.stderr) < 300, f"{words}: {out.exit}, {out.stderr}")
        w.stage.configure(endpoints={"proxy": "http://127.0.0.1:9"})
        out = w.stage.run("check")
        check(out.exit == 4 and "endpoints.proxy http://127.0.0.1:9" in out.stdout, out.told())
        w.stage.configure(endpoints={"proxy": ""})
        for size in (0, "0", "1023KiB"):
            w.stage.configure(stage={"spool_max_bytes": size})
            out = w.stage.run("sync", timeout=20)
            check(out.exit == 2 and "stage.spool_max_bytes" in out.stderr and "1MiB at least" in out.stderr, out.told())
        w.stage.configure(stage={"spool_max_bytes": "1MiB"})
        w.stage.sync(expect=0)
        helped = subprocess.run([os.path.join(options.simulator or options.build, "tests/simulator/m365sim"), "--help"],
                                capture_output=True, check=False, text=True)
        check(helped.returncode == 0 and helped.stdout.startswith("usage: "), f"{helped}")
