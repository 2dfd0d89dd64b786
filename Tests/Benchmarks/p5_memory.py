"""P5: resident bytes of an active series: what a server grows by, over its own size at rest, for a series with its hot
window.

50,000 series with 100 samples each, ten seconds apart; read every second from ten seconds after the last request on,
when what the load itself needed has been given back. `million`: 1,000,000 series with three samples each, in Muster
alone: what a series costs before its samples.
"""

import os
import statistics
import time

from fleet_load import FleetLoad
from measure import bar, tell
from server import Server
from servers import Muster, wanted

HOSTS = int(os.environ.get("P5_HOSTS", "100"))
TICKS = int(os.environ.get("P5_TICKS", "100"))
MILLION_HOSTS = int(os.environ.get("P5_MILLION_HOSTS", "2000"))
MILLION_TICKS = 3
SETTLE, READINGS = 10, 5
BAR = 1.5


def settled(server: Server) -> float:
    readings = []
    for _ in range(READINGS):
        time.sleep(1)
        readings.append(server.rss)
    return statistics.median(readings)


def grown(kind: type[Server], load: FleetLoad) -> dict[str, float]:
    """KB (1,000 bytes) a series, and the sizes in MB at rest and with all series."""
    with kind(load.scratch) as server:
        idle = settled(server)
        server.load(load.file())
        load.wait(server)
        time.sleep(SETTLE)
        size = settled(server)
        return {"each": (size - idle) / load.series / 1e3, "idle": idle / 1e6, "size": size / 1e6}


def run(scratch: str) -> None:
    load = FleetLoad(scratch, HOSTS, TICKS)
    load.file()
    figures = {kind.name: grown(kind, load) for kind in wanted()}
    for name, found in figures.items():
        peers = [f"{peer} {figures[peer]['each']:.2f}" for peer in figures if peer != "muster"]
        more = [*peers, bar(f"<= {BAR:g} KB", found["each"] <= BAR)] if name == "muster" else []
        tell(f"P5 series.memory.{name}", f"{found['each']:.2f} KB/series", *more,
             f"{found['size']:.0f} MB, {found['idle']:.0f} at rest",
             f"{load.series} series of {TICKS} samples, {load.interval} s apart")
    load.drop()
    for kind in wanted(Muster.name):
        load = FleetLoad(scratch, MILLION_HOSTS, MILLION_TICKS)
        found = grown(kind, load)
        tell("P5 series.memory.million", f"{found['each']:.2f} KB/series", bar(f"<= {BAR:g} KB", found["each"] <= BAR),
             f"{found['size']:.0f} MB, {found['idle']:.0f} at rest",
             f"{load.series} series of {MILLION_TICKS} samples")
