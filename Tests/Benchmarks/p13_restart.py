"""P13: from the start of a coordinator that was killed to full answers, with a million series.

1,000,000 series of 2,000 hosts, three samples each, by remote write; SIGKILL; start again; asked over and over until a
query over all series counts each of them. Time is the subject, so seconds are the figure, and the CPU time until then
stands beside it. Prometheus does the same.
"""

import os
import time

import series
from fleet import eventually
from fleet_load import FleetLoad
from measure import bar, tell
from server import Server
from servers import Muster, Prometheus, wanted

HOSTS = int(os.environ.get("P13_HOSTS", "2000"))
PEER_HOSTS = int(os.environ.get("P13_PEER_HOSTS", str(HOSTS)))
TICKS = 3
BAR = 10.0


def restarted(kind: type[Server], load: FleetLoad) -> dict[str, float]:
    """Seconds and CPU seconds until all series are there, MB resident then."""
    with kind(load.scratch) as server:
        server.load(load.file())
        load.wait(server)
        question = f'count({{job="{series.JOB}"}})'
        if (found := server.number(question, load.end)) != load.series:
            raise RuntimeError(f"{server.name} has {found:.0f} of {load.series} series before it is killed")
        begun = time.monotonic()
        server.kill_and_start()
        eventually(f"{server.name} has all series again", 300,
                   lambda: server.try_number(question, load.end) == load.series, every=0.05)
        return {"seconds": time.monotonic() - begun, "cpu": server.cpu, "size": server.rss / 1e6}


def run(scratch: str) -> None:
    figures: dict[str, dict[str, float]] = {}
    loads = {Muster.name: HOSTS, Prometheus.name: PEER_HOSTS}
    for kind in wanted(*loads):
        load = FleetLoad(scratch, loads[kind.name], TICKS)
        figures[kind.name] = restarted(kind, load) | {"series": load.series}
        load.drop()
    for name, found in figures.items():
        peers = [f"{peer} {figures[peer]['seconds']:.1f}" for peer in figures if peer != "muster"]
        more = [*peers, bar(f"<= {BAR:g} s", found["seconds"] <= BAR)] if name == "muster" else []
        tell(f"P13 restart.{name}", f"{found['seconds']:.1f} s", *more, f"{found['cpu']:.1f} CPU-s",
             f"{found['size']:.0f} MB", f"{found['series']:.0f} series of {TICKS} samples, after SIGKILL")
