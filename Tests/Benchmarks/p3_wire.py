"""P3: bytes on the wire for one metric sample, everything counted: TLS, frames, acknowledgements, heartbeats.

A real agent with all its collectors (containers and logs off) on this host for three windows of 20 s, quiet, and then
with load that moves its series; bytes of both ways. The fast collectors read at 1 s and the costly ones at 10 s, so the
samples of a second follow from two counts of series: all of them, and those of an agent without the costly collectors.
Beside it, in the same states right after, a Prometheus agent that scrapes node_exporter at 1 s and writes remotely.
"""

import os
import statistics
import subprocess
import sys
import time

from fleet import Fleet, Unavailable, eventually
from measure import CountingProxy, bar, tell
from remote_write_peer import RemoteWritePeer

SECONDS = int(os.environ.get("P3_SECONDS", "20"))
ROUNDS = int(os.environ.get("P3_ROUNDS", "3"))
WARM_UP = 15
IDLE_SECONDS = 10
BARS = {"quiet": 1.0, "moving": 2.0}
COSTLY = "conntrack filesystem netclass netstat processes uname".split()
COSTLY_INTERVAL = 10
QUIET = "docker: {enabled: false}\nlogs: {containers: {enabled: false}}\n"


def series(fleet: Fleet, host: str) -> int:
    return len(fleet.api.instant(f'{{host="{host}"}}'))


def settled_series(fleet: Fleet, host: str) -> int:
    """The count when it has stayed the same for 5 s and the costly collectors had their turn."""
    seen: list[int] = []

    def is_settled() -> bool:
        seen.append(series(fleet, host))
        return len(seen) > COSTLY_INTERVAL + 6 and len(set(seen[-5:])) == 1
    eventually(f"the series of {host} stay the same", 60, is_settled, every=1)
    return seen[-1]


LOAD = """
import os, sys, tempfile, time
with tempfile.TemporaryFile() as file:
    while True:
        os.pwrite(file.fileno(), os.urandom(1 << 20), 0)
        os.fsync(file.fileno())
        sum(number * number for number in range(200_000))
        for _ in range(20): os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
        time.sleep(0.05)
"""


def window(fleet: Fleet, proxy: CountingProxy, rate: float) -> tuple[float, float]:
    """Bytes and samples of one window; the samples are those that arrived, tick by tick."""
    frames, count = fleet.api.get("/v1/status")["ingest"]["metricFrames"], proxy.total
    time.sleep(SECONDS)
    arrived = fleet.api.get("/v1/status")["ingest"]["metricFrames"] - frames
    return proxy.total - count, arrived * rate


def idle_rate(fleet: Fleet) -> float:
    """Bytes a second of a link that carries nothing: heartbeats and their answers."""
    proxy = CountingProxy(fleet.link)
    fleet.add_agent("p3-idle", f"metrics: {{interval: 5m}}\n{QUIET}", link=proxy.port)
    agent = fleet.start_agent("p3-idle")
    fleet.agent_alive("p3-idle")
    time.sleep(2)
    before = proxy.total
    time.sleep(IDLE_SECONDS)
    rate = (proxy.total - before) / IDLE_SECONDS
    agent.end()
    return rate


def remote_write(scratch: str) -> RemoteWritePeer | None:
    try:
        return RemoteWritePeer(scratch)
    except Unavailable as reason:
        if os.environ.get("MUSTER_REQUIRE_PEERS") == "1":
            raise
        print(f"P3 goes on without remote write: {reason}")
        return None


def costs(fleet: Fleet, proxy: CountingProxy, rate: float, scratch: str, state: str) -> tuple[float, float | None]:
    """Bytes a sample of ours and of remote write in this state; one after the other, each moves the host's series."""
    load = subprocess.Popen([sys.executable, "-c", LOAD]) if state == "moving" else None
    try:
        rounds = [window(fleet, proxy, rate) for _ in range(ROUNDS)]
        peer, peers = remote_write(f"{scratch}/{state}"), None
        if peer:
            with peer:
                peers = peer.window(SECONDS)
    finally:
        if load:
            load.kill()
            load.wait()
    return statistics.median(carried / samples for carried, samples in rounds), peers


def run(scratch: str) -> None:
    with Fleet(scratch) as fleet:
        idle = idle_rate(fleet)
        off = "".join(f"    {name}: {{enabled: false}}\n" for name in COSTLY)
        fleet.add_agent("p3-fast", f"metrics:\n  collectors:\n{off}{QUIET}")
        probe = fleet.start_agent("p3-fast")
        fast = settled_series(fleet, "p3-fast")
        probe.end()
        proxy = CountingProxy(fleet.link)
        fleet.add_agent("p3", QUIET, link=proxy.port)
        fleet.start_agent("p3")
        everything = settled_series(fleet, "p3")
        time.sleep(WARM_UP)
        rate = fast + (everything - fast) / COSTLY_INTERVAL
        note = f"{everything} series, {fast} of them at 1 s, the others at {COSTLY_INTERVAL} s; {ROUNDS} x {SECONDS} s"
        for state, most in BARS.items():
            cost, peer = costs(fleet, proxy, rate, scratch, state)
            tell(f"P3 wire.sample.{state}", f"{cost:.2f} B/sample",
                 f"remote write {peer:.1f}" if peer else "remote write 18 to 26 (published)",
                 bar(f"<= {most:g}", cost <= most),
                 f"{idle / rate:.2f} of it heartbeats", note)
