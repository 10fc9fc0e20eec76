"""Tokens and credentials, a clock that is wrong, and nobody there to sign in to."""

import os
import time

from cases import scenario
from cases.special import small
from harness import Stage, check, check_manners, compare


@scenario
def revoked_tokens(options):
    """tokens are revoked in the middle of a pass; a secret is refused"""
    with small(options, "tokens", "--files-per-drive", 60) as w:
        w.sim.fault("delay", service="files", delay_ms=60)
        w.sim.fault("delay", service="graph", delay_ms=60)
        w.stage.configure(sync={"concurrency": 2})
        process = w.stage.start("--json")
        for _ in range(6):
            time.sleep(0.3)
            w.sim.post("auth", expire_all=True)
        check(process.wait(120) in (0, 1), f"the pass ended with {process.returncode}")
        w.sim.clear_faults()
        compare(w.stage)
        w.sim.change(options.seed, 10)
        before = w.stage.snapshot()
        w.sim.post("auth", refuse=7000222, expire_all=True)
        out = w.stage.sync(expect=3)
        check("AADSTS7000222" in out.stderr, f"the code is not told: {out.told()}")
        check(w.stage.snapshot() == before, "the tree was touched without a token")
        w.sim.post("auth", refuse=0)
        w.stage.sync(expect=(0, 1))
        compare(w.stage, quiet=True)
    return ""


@scenario
def credentials(options):
    """certificate, federated token and managed identity; a wrong secret; a wrong authority"""
    with small(options, "credentials") as w:
        facts = w.sim.facts
        client = {"client_id": facts["client_id"]}
        for app in ({**client, "client_secret_file": facts["client_secret_file"]},
                    {**client, "certificate_file": facts["certificate_file"]},
                    {**client, "federated_token_file": facts["federated_token_file"]}):
            w.stage.configure(app=app)
            w.sim.change(options.seed, 10)
            w.sim.post("auth", expire_all=True)
            w.stage.sync(expect=(0, 1))
            compare(w.stage)
        wrong = os.path.join(w.folder, "wrong-secret")
        with open(wrong, "w", encoding="utf-8") as f:
            f.write("not-the-secret-at-all\n")
        os.chmod(wrong, 0o600)
        w.stage.secrets.append("not-the-secret-at-all")
        w.stage.configure(app={**client, "client_secret_file": wrong})
        out = w.stage.sync(expect=3)
        check("AADSTS7000215" in out.stderr, f"the code is not told: {out.told()}")
        w.stage.configure(app={**client, "client_secret_file": facts["client_secret_file"]},
                          endpoints={"ca_file": "/etc/ssl/certs/ca-certificates.crt"})
        if os.path.exists("/etc/ssl/certs/ca-certificates.crt"):
            out = w.stage.sync(expect=4)
            check("certificate" in out.stderr.lower() or "tls" in out.stderr.lower(), f"no TLS reason: {out.told()}")
        w.stage.configure(endpoints={"ca_file": facts["ca_file"]})
        compare(w.stage, quiet=True)
        check_manners(w.sim)
    return ""


@scenario
def managed_identity(options):
    """a managed identity, and the real names of Microsoft's hosts through a proxy"""
    with small(options, "identity") as w:
        facts = w.sim.facts
        stage = Stage(options.build, w.sim, w.folder, os.path.join(w.folder, "other"))
        stage.settings["endpoints"] = {"ca_file": facts["ca_file"], "proxy": facts["proxy"],
                                       "managed_identity": facts["imds"]}
        stage.configure(app={"managed_identity": {}})
        stage.sync(expect=(0, 1))
        compare(stage, quiet=True)
    return ""


@scenario
def unreachable(options):
    """Microsoft 365 is not there: exit 4, and the tree is not touched"""
    with small(options, "unreachable") as w:
        w.stage.sync(expect=(0, 1))
        before = w.stage.snapshot()
        w.stage.configure(endpoints={"proxy": "http://127.0.0.1:9"})
        out = w.stage.sync(expect=4, timeout=200)
        check(w.stage.snapshot() == before, "the tree was touched")
        w.stage.configure(endpoints={"proxy": ""})
        compare(w.stage, quiet=True)
        seconds = out.seconds
    return f"told after {seconds:.0f} s"


@scenario
def clock_skew(options):
    """a clock that is wrong: check says by how much, and what it means"""
    with small(options, "skew") as w:
        right = w.stage.run("check")
        check("s behind" in right.told() or "s ahead of" in right.told(), f"no word of the clock: {right.told()}")
        w.sim.post("settings", advance_clock=3600)
        wrong = w.stage.run("check")
        check(wrong.exit == 3 and "behind" in wrong.told(), f"exit {wrong.exit}: {wrong.told()}")
    return ""
