"""The registration of the apps: its permissions are enough for `check`, and its script asks for them and no others."""

import json
import os
import subprocess

from cases import scenario
from harness import World, check

TENANT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../../examples/tenant")


def table():
    """kind -> (permissions for backup, for restore), of examples/tenant/permissions.tsv."""
    with open(os.path.join(TENANT, "permissions.tsv"), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    return {kind: (backup.split(), restore.split()) for kind, backup, restore in rows}


def failures(stage):
    out = stage.run("--json", "check")
    return [line for line in json.loads(out.stdout)["checks"] if line["level"] == "fail"]


@scenario
def app_permissions(options):
    """what examples/tenant grants for a kind is all that `check` asks for; one less is named"""
    told = 0
    with World(options, "permissions", "--users", 1, "--sites", 1, "--groups", 1) as w:
        for kind, (backup, restore) in table().items():
            if kind == "sharing":
                continue
            w.stage.configure(kinds=[kind])
            for roles, both in ((backup, False), (restore, True)):
                w.stage.settings.pop("restore_app", None)
                w.stage.configure(**({"restore_app": dict(w.stage.settings["app"])} if both else {}))
                w.sim.post("auth", roles=roles, expire_all=True)
                found = failures(w.stage)
                check(not found, f"{kind} with {roles}: {found}")
                told += 1
            w.sim.post("auth", roles=backup[:1], expire_all=True)
            found = json.dumps(failures(w.stage))
            check("not granted" in found, f"{kind} with half of its permissions: {found}")
    return f"{told} sets of permissions"


@scenario
def app_registration(options):
    """register.sh asks the Azure CLI for two apps with certificates and with the permissions of the table"""
    with World(options, "register", "--users", 1, "--sites", 0) as w:
        bin_folder, log = os.path.join(w.folder, "bin"), os.path.join(w.folder, "az.log")
        os.mkdir(bin_folder)
        with open(os.path.join(bin_folder, "az"), "w", encoding="utf-8") as f:
            f.write(f'''#!/bin/sh
echo "$*" >> {log}
case "$*" in
    "ad app create "*) echo "id-of-$5" ;;
    "ad sp show "*) echo "$*" | sed "s/.*value=='\\([A-Za-z.]*\\)'.*/role-\\1/" ;;
esac
''')
        os.chmod(os.path.join(bin_folder, "az"), 0o755)
        kinds = ["onedrive", "mail", "sharing"]
        folder = os.path.join(w.folder, "credentials")
        done = subprocess.run(["bash", os.path.join(TENANT, "register.sh"), "--kinds", ",".join(kinds), folder],
                              env={"PATH": bin_folder + ":" + os.environ["PATH"]}, capture_output=True, text=True, check=False)
        check(done.returncode == 0, done.stdout + done.stderr)
        with open(log, encoding="utf-8") as f:
            asked = f.read().splitlines()
        for app, side in (("m365stage", 0), ("m365stage-restore", 1)):
            roles = {line.split("role-")[1].removesuffix("=Role") for line in asked
                     if line.startswith("ad app permission add") and f"--id id-of-{app} " in line}
            wanted = {p for kind in kinds for p in table()[kind][side]}
            check(roles == wanted, f"{app}: {sorted(roles ^ wanted)}")
        for name in ("app.pem", "restore.pem"):
            mode = os.stat(os.path.join(folder, name)).st_mode & 0o777
            check(mode == 0o600, f"{name} has mode {mode:o}")
        check("client_id: id-of-m365stage-restore" in done.stdout, done.stdout)
