"""P4: samples a server takes for a second of CPU time, by remote write into its durable, queryable store.

50,000 series of 100 hosts, 100 samples each, in requests of 2,000 over two connections as fast as they are accepted;
the same bytes to each server, a fresh one each time. Counted is the server's own user and system time until the last
samples are in the answers of queries; afterwards it is checked that all are there. Muster speaks TLS, asks for a token
and syncs before it acknowledges; its peers do none of these.
"""

import os
import statistics

from fleet_load import FleetLoad
from measure import bar, profiled, tell
from server import Server
from servers import wanted

HOSTS = int(os.environ.get("P4_HOSTS", "100"))
TICKS = int(os.environ.get("P4_TICKS", "100"))
RUNS = int(os.environ.get("P4_RUNS", "3"))
BAR = 1.2


def one(kind: type[Server], load: FleetLoad) -> dict[str, float]:
    """Millions of samples per core-second, wall seconds, the sender's CPU seconds."""
    with kind(load.scratch) as server:
        before = server.cpu
        with profiled(f"P4 {kind.name}", server.process.pid, f"{server.data}.perf"):
            sent = server.load(load.file())
            load.wait(server)
        used = server.cpu - before
        load.check(server)
        return {"rate": load.samples / used / 1e6, "seconds": sent.seconds, "sender": sent.cpu}


def run(scratch: str) -> None:
    load = FleetLoad(scratch, HOSTS, TICKS)
    load.file()
    runs = {kind.name: [one(kind, load) for _ in range(RUNS)] for kind in wanted()}
    median = {name: {key: statistics.median(one[key] for one in all) for key in all[0]} for name, all in runs.items()}
    for name, figures in median.items():
        peers = [f"{peer} {median[peer]['rate']:.3f}" for peer in median if peer != "muster"]
        rates = [one["rate"] for one in runs[name]]
        more = [*peers, bar(f">= {BAR:g} M", figures["rate"] >= BAR)] if name == "muster" else []
        tell(f"P4 ingest.{name}", f"{figures['rate']:.3f} M samples/CPU-s", *more,
             f"{min(rates):.3f} to {max(rates):.3f} in {RUNS} runs",
             f"wall {figures['seconds']:.1f} s, sender {figures['sender']:.1f} CPU-s",
             f"{load.series} series, {load.samples / 1e6:g} M samples, {load.bytes / load.samples:.1f} B each")
