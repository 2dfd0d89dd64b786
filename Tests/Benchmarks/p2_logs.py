"""P2: what the coordinator costs for a raw gigabyte of logs, stored durably and searchable, and how fast it finds.

One agent ships P2_FILES files of P2_MB MiB of JSON access logs, the same lines under different paths, each with one
line of its own at the end. The coordinator's CPU time from the first byte to the last durable line is divided by the
raw bytes. Then it is asked, warm:

- for one of these lines by a part of its text, an identifier of 32 hexadecimal digits (the time is the subject);
- for an expression without a word that filters know, so that every block is inflated and looked at line by line.
"""

import os
import random
import time

import datasets
from fleet import Fleet, eventually
from measure import bar, cpu_seconds, memory, profiled, tell
from p1_logs import config

FILES = int(os.environ.get("P2_FILES", "8"))
MEGABYTES = int(os.environ.get("P2_MB", "128"))
ASKED = int(os.environ.get("P2_ASKED", "5"))
CPU_BAR = 4.0
FIND_BAR = 1.0
SCAN_BAR = 1.0


def asked(fleet: Fleet, pid: int, **query) -> tuple[float, float, int]:
    """Seconds, CPU seconds and lines of the median answer of several."""
    figures = []
    for _ in range(ASKED):
        began, used = time.monotonic(), cpu_seconds(pid)
        lines = fleet.api.lines('{host="p2"}', since="24h", **query)
        figures.append((time.monotonic() - began, cpu_seconds(pid) - used, len(lines)))
    return sorted(figures)[len(figures) // 2]


def run(scratch: str) -> None:
    with Fleet(scratch) as fleet:
        coordinator = fleet.processes["coordinator"]
        first = f"{scratch}/access-00.log"
        datasets.write(first, MEGABYTES, datasets.access_line, seed=2)
        markers = [f"{random.Random(1_000 + number).getrandbits(128):032x}" for number in range(FILES)]
        with open(first, "rb") as file:
            body = file.read()
        size = 0
        for number, marker in enumerate(markers):
            path = f"{scratch}/access-{number:02}.log"
            with open(path, "wb") as file:
                file.write(body)
                file.write(f'{{"time":"2026-01-01T00:00:00.000Z","request_id":"{marker}"}}\n'.encode())
            size += os.path.getsize(path)
        fleet.add_agent("p2", config(f"{scratch}/access-*.log"))
        before = cpu_seconds(coordinator.pid)
        with profiled("P2 store", coordinator.pid, f"{scratch}/store.perf"):
            agent = fleet.start_agent("p2")
            pending = set(markers)

            def are_durable() -> bool:
                for marker in list(pending):
                    if fleet.api.lines('{host="p2"}', contains=marker, since="24h", limit=1):
                        pending.discard(marker)
                    else:
                        return False
                return True

            eventually("all lines are durable", 1_800, are_durable, every=2)
            stored = cpu_seconds(coordinator.pid) - before
        agent.end()
        cost = stored / size * 1e9
        tell("P2 logs.coordinator.cpu", f"{cost:.2f} CPU-s/GB", bar(f"<= {CPU_BAR:g}", cost <= CPU_BAR),
             f"{size / 1e9:.2f} GB raw; with the questions that ask whether all is there")
        disk = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(fleet.data)
                   for name in names if name.endswith((".seg", ".idx")) and "metrics" not in folder)
        tell("P2 logs.coordinator.disk", f"{disk / size:.3f} of raw, index files included")
        seconds, used, count = asked(fleet, coordinator.pid, contains=markers[FILES // 2], limit=10)
        tell("P2 logs.find.identifier", f"{seconds:.3f} s", f"{used:.3f} CPU-s", f"{count} line",
             # Every block's filter is looked at, so the time grows with the bytes.
             bar(f"<= {FIND_BAR:g} s for 10 GB", seconds * 1e10 / size <= FIND_BAR and count == 1),
             f"in {size / 1e9:.2f} GB raw, warm, median of {ASKED}")
        seconds, used, count = asked(fleet, coordinator.pid, match=f'"status":30[5-9].*{markers[0][:3]}', limit=10)
        rate = size / 1e9 / max(used, 1e-9)
        tell("P2 logs.scan.expression", f"{rate:.2f} GB raw per CPU-s", f"{seconds:.2f} s", f"{count} lines",
             bar(f">= {SCAN_BAR:g}", rate >= SCAN_BAR), "no word to skip by: every block is inflated")
        tell("P2 logs.coordinator.rss", f"{memory(coordinator.pid, 'VmHWM'):.0f} MB at most")
