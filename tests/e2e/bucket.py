"""An S3 API on loopback, where moto_server is installed, and rclone as a stock client of it."""

import os
import re
import shutil
import signal
import subprocess

from daemons import await_condition, free_port
from harness import check

NAME = "m365-backup"


class Bucket:
    """Only what a backup of volumes needs: put a folder, get it back. Debian has no package of moto_server."""

    @staticmethod
    def is_possible():
        return shutil.which("moto_server") is not None and shutil.which("rclone") is not None

    def __init__(self, folder):
        self.port = free_port()
        self.log = os.path.join(folder, "moto.log")
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                ["moto_server", "-H", "127.0.0.1", "-p", str(self.port)], stdout=out, stderr=out, start_new_session=True
            )
        self.environment = {
            "PATH": os.environ["PATH"],  # and nothing of the caller's own account or authorities
            "HOME": folder,
            "RCLONE_CONFIG": os.path.join(folder, "rclone.conf"),
            "RCLONE_S3_PROVIDER": "Other",
            "RCLONE_S3_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "RCLONE_S3_ACCESS_KEY_ID": "access",
            "RCLONE_S3_SECRET_ACCESS_KEY": "secret",
            "RCLONE_S3_REGION": "us-east-1",
        }
        await_condition(lambda: self.rclone("mkdir", f":s3:{NAME}", may_fail=True), "the bucket")

    def rclone(self, *arguments, may_fail=False):
        done = subprocess.run(["rclone", "--retries", "1", *arguments], env=self.environment, capture_output=True, text=True,
                              timeout=120, check=False)
        check(may_fail or done.returncode == 0, f"rclone {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout or done.returncode == 0

    def put(self, folder):
        self.rclone("copy", "--checksum", folder, f":s3:{NAME}/volumes")

    def get(self, folder):
        """Brings everything back; how many bytes."""
        self.rclone("copy", "--checksum", f":s3:{NAME}/volumes", folder)
        self.rclone("check", folder, f":s3:{NAME}/volumes")
        return int(re.search(r"\((\d+) Byte", self.rclone("size", f":s3:{NAME}/volumes"))[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait()
