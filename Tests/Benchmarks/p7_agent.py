"""P7: what an agent at rest costs its host: all collectors at 1 s, 20 idle containers, 5 idle log files.

After a warm-up of 20 s, over three windows of 20 s: the largest resident size, and the median of the CPU time in
percent of one core. Beside it Debian's node_exporter over the same seconds, scraped once a second as Prometheus does
(gzip, one connection); it measures the host alone, no containers and no logs.

The jitter is how late the agent read after each tick was due, by its own metric, over all windows; on this machine
everything else that runs beside it is in the figure.
"""

import contextlib
import os
import statistics
import time

from dockerd import Docker
from fleet import Fleet, Unavailable, eventually
from measure import bar, cpu_seconds, memory, tell
from node_exporter import NodeExporter
from p3_wire import series

SECONDS = int(os.environ.get("P7_SECONDS", "20"))
WINDOWS = 3
WARM_UP = int(os.environ.get("P7_WARM_UP", "20"))
CONTAINERS = 20
FILES = 5
RSS_BAR, CPU_BAR, JITTER_BAR = 16.0, 1.0, 20.0


def observed(pids: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Largest RSS in MB and percent of a core of each process over one window."""
    before, begun = {name: cpu_seconds(pid) for name, pid in pids.items()}, time.monotonic()
    resident = {name: 0.0 for name in pids}
    while time.monotonic() - begun < SECONDS:
        time.sleep(1)
        for name, pid in pids.items():
            resident[name] = max(resident[name], memory(pid, "VmRSS"))
    passed = time.monotonic() - begun
    return {name: (resident[name], (cpu_seconds(pid) - before[name]) / passed * 100) for name, pid in pids.items()}


def run(scratch: str) -> None:
    with contextlib.ExitStack() as stack:
        exporter = NodeExporter(scratch)
        stack.callback(exporter.end)
        try:
            docker = stack.enter_context(Docker(scratch))
            docker.run_idle(CONTAINERS)
            containers, docker_config = CONTAINERS, f'docker: {{socket: "{docker.socket}"}}\n'
        except Unavailable as reason:
            if os.environ.get("MUSTER_REQUIRE_PEERS") == "1":
                raise
            print(f"P7 goes on without containers: {reason}")
            containers, docker_config = 0, "docker: {enabled: false}\n"
        fleet = stack.enter_context(Fleet(scratch))
        for number in range(FILES):
            with open(f"{scratch}/idle-{number}.log", "w") as file:
                file.write("one line and then nothing\n")
        fleet.add_agent("p7", f'{docker_config}logs:\n  files:\n    - path: "{scratch}/idle-*.log"\n')
        agent = fleet.start_agent("p7")
        fleet.agent_alive("p7")
        eventually(
            "all containers are seen", 30, lambda: fleet.api.get("/v1/status")["containers"] >= containers, every=0.5)
        time.sleep(WARM_UP)
        pids = {"agent": agent.pid, "node_exporter": exporter.process.pid}
        windows = [observed(pids) for _ in range(WINDOWS)]
        lateness = [
            float(fleet.api.instant(
                f"quantile_over_time({quantile}, muster_agent_metrics_tick_lateness_seconds[{WINDOWS * SECONDS}s])"
            )[0]["value"][1]) * 1_000 for quantile in (0.5, 0.99)]
        count, theirs = series(fleet, "p7"), exporter.series()
        rss, peer_rss = (max(window[name][0] for window in windows) for name in pids)
        cpu, peer_cpu = (statistics.median(window[name][1] for window in windows) for name in pids)
        tell("P7 agent.rss", f"{rss:.1f} MB", f"node_exporter {peer_rss:.1f}", f"ratio {rss / peer_rss:.2f}",
             bar(f"<= {RSS_BAR:g} MB", rss <= RSS_BAR), f"peak since start {memory(agent.pid, 'VmHWM'):.1f} MB")
        tell("P7 agent.cpu", f"{cpu:.2f} % of a core", f"node_exporter {peer_cpu:.2f}", f"ratio {cpu / peer_cpu:.2f}",
             bar(f"<= {CPU_BAR:g} %", cpu <= CPU_BAR))
        tell("P7 agent.jitter", f"{lateness[1]:.2f} ms p99", f"median {lateness[0]:.2f}",
             bar(f"< {JITTER_BAR:g} ms", lateness[1] < JITTER_BAR), f"{WINDOWS * SECONDS} ticks")
        tell("P7 agent.series", f"{count}", f"node_exporter {theirs}",
             f"{containers} containers, {FILES} idle files, {WINDOWS} x {SECONDS} s, {exporter.scrapes} scrapes")
