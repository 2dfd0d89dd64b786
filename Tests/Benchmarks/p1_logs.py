"""P1: what an agent costs for a raw gigabyte of logs, from the file to the durable acknowledgement.

A file is there when the agent starts; the agent's whole CPU time (start included) until its last line is durable is
divided by the file's size. Beside it `gzip -1` of the same file in the same run. Collectors, containers and Docker are
off.
PROFILE=1 records the agent with perf and prints where its time went.
"""

import os
import random
import statistics

import datasets
from fleet import Fleet, eventually
from measure import CountingProxy, bar, child_cpu, cpu_seconds, memory, profiled, tell

RUNS = int(os.environ.get("P1_RUNS", "3"))
SETS = [
    ("json", int(os.environ.get("P1_JSON_MB", "256")), datasets.access_line),
    ("text", int(os.environ.get("P1_TEXT_MB", "128")), datasets.text_line),
]
BAR = 1.6
COLLECTORS = (
    "container diskstats filefd loadavg meminfo netdev pressure sockstat softnet stat time vmstat conntrack filesystem"
    " netclass netstat processes uname"
).split()


def config(path: str) -> str:
    off = "".join(f"    {name}: {{enabled: false}}\n" for name in COLLECTORS)
    return (
        f"metrics:\n  interval: 5m\n  collectors:\n{off}docker: {{enabled: false}}\n"
        f'logs:\n  startAt: beginning\n  containers: {{enabled: false}}\n  files:\n    - path: "{path}"\n'
    )


def shipped(fleet: Fleet, name: str, path: str, marker: str) -> tuple[float, int, float]:
    """One run: CPU seconds, bytes both ways, peak RSS in MB."""
    proxy = CountingProxy(fleet.link)
    fleet.add_agent(name, config(path), link=proxy.port)
    agent = fleet.start_agent(name)
    before = fleet.api.get("/v1/status")["ingest"]["bytes"]
    last = -1

    def is_durable() -> bool:
        nonlocal last
        stored = fleet.api.get("/v1/status")["ingest"]["bytes"]
        is_quiet, last = stored == last and stored > before, stored
        # Acknowledged in order, so everything before the marker is durable when the marker is.
        return is_quiet and bool(fleet.api.lines(f'{{host="{name}"}}', contains=marker, since="1h", limit=1))

    if not agent.is_running():
        raise RuntimeError(f"{name} ended:\n{agent.tail()}")
    with profiled(f"P1 {name}", agent.pid, f"{fleet.scratch}/{name}.perf"):
        eventually(f"the last line of {path} is durable", 900, is_durable, every=0.3)
    used, peak = cpu_seconds(agent.pid), memory(agent.pid, "VmHWM")
    agent.end()
    return used, proxy.total, peak


def run(scratch: str) -> None:
    with Fleet(scratch) as fleet:
        for kind, megabytes, line in SETS:
            if megabytes == 0:
                continue
            path = f"{scratch}/{kind}.log"
            datasets.write(path, megabytes, line, seed=1)
            cpu, gzip, wire, peaks = [], [], [], []
            for number in range(RUNS):
                marker = f"the-end-{kind}-{number}-{random.Random(number).getrandbits(64):x}"
                # A file of its own for each run: the agent takes the last line for new.
                with open(path, "a") as file:
                    file.write(f'{{"message":"{marker}"}}\n' if kind == "json" else marker + "\n")
                size = os.path.getsize(path)
                # Before and after, because how fast a shared core is changes by the minute.
                before, packed = child_cpu(["gzip", "-1", "-c"], path)
                used, carried, peak = shipped(fleet, f"p1-{kind}-{number}", path, marker)
                after, packed = child_cpu(["gzip", "-1", "-c"], path)
                if number == 0:
                    smaller = child_cpu(["gzip", "-6", "-c"], path)[1] / packed
                gzip.append((before + after) / 2 / size * 1e9)
                cpu.append(used / size * 1e9)
                wire.append(carried / packed)
                peaks.append(peak)
            ours, theirs = statistics.median(cpu), statistics.median(gzip)
            ratio = statistics.median(mine / peer for mine, peer in zip(cpu, gzip))
            tell(f"P1 logs.agent.cpu.{kind}", f"{ours:.1f} CPU-s/GB", f"gzip-1 {theirs:.1f}", f"ratio {ratio:.2f}",
                 bar(f"<= {BAR:g} x gzip-1", ratio <= BAR),
                 f"{min(cpu):.1f} to {max(cpu):.1f} in {RUNS} runs of {megabytes} MiB")
            sent = statistics.median(wire)
            tell(f"P1 logs.agent.bytes.{kind}", f"{sent:.2f} x gzip-1, all in", bar("<= gzip-1", sent <= 1),
                 f"{sent / smaller:.2f} x gzip-6")
            tell(f"P1 logs.agent.rss.{kind}", f"{max(peaks):.1f} MB at most while at full speed")
            os.unlink(path)
