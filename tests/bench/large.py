"""The cases of bench.py that need a full-size tenant, or another program's peculiar set-up."""
import contextlib
import os
import shutil
import sqlite3
import subprocess
import time


FEW = "few@contoso.example"


def million(bench, _):
    """Memory must not grow with the tenant, so a first pass over a tenth of it comes before."""
    few = max(1, bench.items // 10)
    bench.tenant.admin("bulk", {"user": FEW, "items": few, "folders": 100, "file_size": 0, "seed": 2})
    small = bench.sync_only(f"m365stage, {few:,} items", FEW, few)[2]
    bench.tenant.admin("directory", {"op": "remove_user", "name": FEW})
    bench.start_over()
    full = bench.sync("m365stage, first pass", bench.items, 0)[2]
    print(f"memory at the peak: {small / 1024:.1f} MiB for {few:,} items, {full / 1024:.1f} MiB for {bench.items:,}")
    _, cpu, _ = bench.sync("m365stage, nothing new", bench.items, 0)
    print(f"a pass over nothing new takes {cpu * 1000:.0f} ms of CPU")
    questions(bench)


def questions(bench):
    """How long a person and a backup job wait for an answer of the running service."""
    with serving(bench):
        folder = "users/bench@contoso.example/onedrive/" + bench.tenant.first_folder().strip("/")
        for name, command in {
            "status": ["status"],
            "ls of one folder": ["ls", folder + "/*"],
            "ls of everything": ["ls"],
            "changes, the last generation": ["changes", "--json"],
            "changes since the last one": ["changes", "--since", "1"],
            "hook before-job": ["hook", "before-job", "--job", "bench", "--jobid", "1", "--max-age", "1h"],
            "hook after-job": ["hook", "after-job", "--jobid", "1", "--status", "OK"],
        }.items():
            print(f"{name:32} {ask(bench, command):8.2f} s")


def ask(bench, command):
    began = time.monotonic()
    done = subprocess.run([bench.binary, "--config", bench.config, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)} ended with {done.returncode}\n{done.stderr.decode()[-2000:]}")
    return time.monotonic() - began


@contextlib.contextmanager
def serving(bench):
    """The service, once it answers."""
    with open(os.path.join(bench.folder, "service.log"), "w", encoding="utf-8") as log:
        process = subprocess.Popen([bench.binary, "--config", bench.config, "serve"], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 60
            while not os.path.exists(os.path.join(bench.folder, "api.sock")):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("bench: the service does not start")
                time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            process.wait(60)


def places(bench):
    """What the index says of every item's place."""
    with contextlib.closing(sqlite3.connect(os.path.join(bench.folder, "stage", "index.db"))) as db:
        return dict((row[0], row[1:]) for row in db.execute(
            "SELECT id, parent, name, at_parent, at_name, inode, size, meta, etag FROM item"))


def rename(bench, _):
    bench.sync("m365stage, first pass", bench.items, bench.size)
    folder = bench.tenant.first_folder()
    before = places(bench)
    bench.tenant.admin("op", {"op": "rename", "drive": bench.tenant.drive, "path": folder, "name": "renamed"})
    bench.sync("m365stage, folder renamed", bench.items, 0)
    after = places(bench)
    print(f"rows of items that differ: {sum(before.get(key) != value for key, value in after.items())} of {len(after):,}")
    if shutil.which("strace"):
        bench.tenant.admin("op", {"op": "rename", "drive": bench.tenant.drive, "path": "renamed", "name": "once more"})
        trace = os.path.join(bench.folder, "renames")
        subprocess.run(["strace", "-f", "-qq", "-e", "trace=rename,renameat,renameat2", "-o", trace, "--", bench.binary,
                        "--config", bench.config, "sync"], check=True, capture_output=True)
        with open(trace, encoding="utf-8") as f:
            for line in f:
                if "rename" in line:
                    print("  " + line.split(None, 1)[1].strip())


def onedrive(bench):
    """A first pass of abraunegg's onedrive. It has neither a setting for the service's address nor one for authorities:
    the tenant's proxy leads its fixed hosts here, and the authority is mounted over the system's."""
    if not shutil.which("onedrive") or os.geteuid() != 0:
        return None
    facts = bench.tenant.facts
    home, data = os.path.join(bench.folder, "onedrive.conf"), os.path.join(bench.folder, "onedrive")
    os.makedirs(home)
    with open(os.path.join(home, "config"), "w", encoding="utf-8") as out:
        out.write(f'sync_dir = "{data}"\nforce_http_11 = "true"\ndrive_id = "{bench.tenant.drive}"\n'
                  'check_nomount = "false"\ndisable_notifications = "true"\n')
    with open(os.path.join(home, "refresh_token"), "w", encoding="utf-8") as out:
        out.write(bench.tenant.token["refresh_token"])
    command = ["unshare", "-m", "sh", "-c",
               'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec onedrive --confdir "$1" --synchronize '
               "--download-only --resync --resync-auth", facts["ca_file"], home]
    proxy = {name: facts["proxy"] for name in ("HTTPS_PROXY", "https_proxy")}
    return bench.measured("onedrive", command, bench.items, bench.size, proxy)[0]
