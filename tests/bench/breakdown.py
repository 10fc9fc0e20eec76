"""Where a client's time goes: CPU of each of its threads, of the kernel for it, and its system calls."""
import contextlib
import os
import re
import shutil
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def read_text(path):
    with contextlib.suppress(OSError), open(path, encoding="utf-8") as f:
        return f.read()
    return ""


def cpu_of(stat):
    """(user, system) seconds of a line of /proc/.../stat."""
    fields = stat[stat.rindex(")") + 2:].split()
    return int(fields[11]) / TICK, int(fields[12]) / TICK


def process_cpu(pid):
    stat = read_text(f"/proc/{pid}/stat")
    return cpu_of(stat) if stat else (0.0, 0.0)


class ThreadTimes:
    """CPU seconds of a process by name of its threads, as last seen."""

    def __init__(self, pid):
        self.pid, self.seen = pid, {}

    def look(self):
        with contextlib.suppress(OSError):
            for tid in os.listdir(f"/proc/{self.pid}/task"):
                if stat := read_text(f"/proc/{self.pid}/task/{tid}/stat"):
                    name = stat[stat.index("(") + 1:stat.rindex(")")]
                    self.seen[tid] = (name, *cpu_of(stat))

    def by_name(self):
        out = {}
        for name, user, system in self.seen.values():
            before = out.get(name, (0.0, 0.0))
            out[name] = (before[0] + user, before[1] + system)
        return out


MEANS = {
    "m365stage": "network: TLS, HTTP, pages, scheduling",
    "m365-index": "index: SQLite",
    "m365-disk": "disk: hashing, files, sidecars, renames",
}


def machine_busy():
    """Seconds that all processors worked, and (user, system) of them."""
    fields = [int(n) / TICK for n in read_text("/proc/stat").split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _wait, irq, softirq, _steal = fields
    return user + nice, system + irq + softirq


def run_watched(command, log, server):
    """Runs a client to its end: seconds, its ThreadTimes, what the server and the whole machine used meanwhile."""
    machine, served = machine_busy(), process_cpu(server)
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=log, stderr=log)
    times = ThreadTimes(process.pid)
    while process.poll() is None:
        times.look()
        time.sleep(0.005)
    seconds = time.monotonic() - began
    if process.returncode != 0:
        raise SystemExit(f"bench: {command[0]} ended with {process.returncode}")
    after, served_after = machine_busy(), process_cpu(server)
    return (seconds, times, [b - a for a, b in zip(served, served_after)], [b - a for a, b in zip(machine, after)])


def show_threads(items, seconds, times, served, machine):
    def line(what, user, system):
        print(f"  {what:48} {user / items * 1e6:8.1f} {system / items * 1e6:8.1f}")

    print(f"  {'CPU microseconds for each item':48} {'user':>8} {'kernel':>8}")
    ours = [0.0, 0.0]
    for name, (user, system) in sorted(times.by_name().items()):
        ours = [ours[0] + user, ours[1] + system]
        line(MEANS.get(name, name), user, system)
    line("m365stage in all", *ours)
    line("m365sim", *served)
    rest = [max(0.0, machine[i] - ours[i] - served[i]) for i in (0, 1)]
    line("the rest of the machine (write-back; other programs)", *rest)
    idle = seconds * os.cpu_count() - sum(machine)
    print(f"  {seconds / items * 1e6:.1f} us pass for each item on {os.cpu_count()} processors, "
          f"idle {max(0.0, idle) / seconds / os.cpu_count():.0%} of the time")


def show_calls(items, command, log, report):
    """System calls for each item, by strace (which slows the client down: its times say nothing)."""
    if not shutil.which("strace"):
        return
    traced = ["strace", "-f", "-c", "-S", "calls", "-o", report, "--", *command]
    subprocess.run(traced, check=True, stdout=log, stderr=log)
    calls = []
    for line in read_text(report).splitlines():
        if found := re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line):
            calls.append((found[2], int(found[1])))
    total = sum(count for name, count in calls if name != "total")
    often = [f"{name} {count / items:.2f}" for name, count in calls if name != "total" and count >= items / 20]
    print(f"  {total / items:.1f} system calls for each item: {', '.join(often)}")
