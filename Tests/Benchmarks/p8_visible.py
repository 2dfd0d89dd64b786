"""P8: from the event to what an operator sees.

Logs: a line with the time is appended to a file; `muster logs -f` prints it. Samples: the collector reads the clock
into `node_time_seconds`; the query API gives out that value. Health: a service's port is closed and opened again; its
check comes every 100 ms, which is in the figure; the services in the API say so. The API is asked again every 10 ms.
"""

import json
import os
import random
import socket
import statistics
import subprocess
import threading
import time

from fleet import BINARIES, Fleet, eventually, free_port
from measure import bar, percentile, tell

LINES = int(os.environ.get("P8_LINES", "300"))
SAMPLES = int(os.environ.get("P8_SAMPLES", "60"))
FLIPS = int(os.environ.get("P8_FLIPS", "60"))
BAR = 1.0


class Follower:
    """`muster logs -f`, and when it printed each line."""

    def __init__(self, fleet: Fleet, selector: str):
        self.seen: dict[str, float] = {}
        self.child = subprocess.Popen(
            [f"{BINARIES}/muster", "logs", selector, "-f", "--json"], stdout=subprocess.PIPE, env=fleet.environment)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.child.stdout:
            now = time.time()
            self.seen.setdefault(json.loads(line)["line"], now)

    def end(self) -> None:
        self.child.kill()
        self.child.wait()


def log_delays(fleet: Fleet, path: str) -> list[float]:
    chance = random.Random(8)
    follower = Follower(fleet, '{host="p8"}')
    try:
        with open(path, "a", buffering=1) as file:
            def write(text: str) -> float:
                now = time.time()
                file.write(text + "\n")
                return now

            write("ready")
            eventually("the follower follows", 20, lambda: "ready" in follower.seen)
            written = {}
            for number in range(LINES):
                time.sleep(chance.uniform(0.05, 0.25))
                text = f"line {number} {chance.getrandbits(64):x}"
                written[text] = write(text)
        eventually("every line is seen", 30, lambda: all(text in follower.seen for text in written))
        return [follower.seen[text] - then for text, then in written.items()]
    finally:
        follower.end()


def sample_delays(fleet: Fleet) -> list[float]:
    """From the collector's reading of the clock to the first answer that shows it."""
    delays: list[float] = []
    last = None
    deadline = time.monotonic() + SAMPLES * 3 + 30
    while len(delays) < SAMPLES and time.monotonic() < deadline:
        found = fleet.api.instant('node_time_seconds{host="p8"}')
        now = time.time()
        value = float(found[0]["value"][1]) if found else None
        if value is not None and value != last:
            # The first one may have been there for long.
            if last is not None:
                delays.append(now - value)
            last = value
        time.sleep(0.01)
    return delays


def listener(port: int) -> socket.socket:
    """Takes connections in a thread of its own until it is closed."""
    server = socket.create_server(("127.0.0.1", port))

    def take() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=take, daemon=True).start()
    return server


def health_delays(fleet: Fleet, port: int) -> list[float]:
    """From the closing or opening of the port to the first answer that says so."""
    def says(is_passing: bool) -> bool:
        states = [one["state"] for service in fleet.api.get("/v1/services") for one in service["instances"]]
        return bool(states) and all((state == "passing") == is_passing for state in states)

    chance = random.Random(9)
    delays: list[float] = []
    server = listener(port)
    eventually("the service passes", 20, lambda: says(True))
    for flip in range(FLIPS):
        time.sleep(chance.uniform(0.3, 0.6))
        begun = time.monotonic()
        if is_closing := flip % 2 == 0:
            # Wakes the thread that takes connections; a mere close leaves the port open while it waits.
            server.shutdown(socket.SHUT_RDWR)
            server.close()
        else:
            server = listener(port)
        eventually("the change is seen", 20, lambda: says(not is_closing), every=0.01)
        delays.append(time.monotonic() - begun)
    return delays


def report(what: str, delays: list[float]) -> None:
    if not delays:
        raise RuntimeError(f"no {what} became visible")
    worst = percentile(delays, 0.99)
    tell(f"P8 visible.{what}.p99", f"{worst * 1e3:.0f} ms", f"median {statistics.median(delays) * 1e3:.0f}",
         f"max {max(delays) * 1e3:.0f}", bar(f"<= {BAR:g} s", worst <= BAR), f"n {len(delays)}")


def run(scratch: str) -> None:
    path = f"{scratch}/followed.log"
    open(path, "w").close()
    with Fleet(scratch) as fleet:
        port = free_port()
        fleet.add_agent(
            "p8", f'docker: {{enabled: false}}\nlogs:\n  files:\n    - path: "{path}"\nservices:\n'
            f'  - {{name: p8, address: 127.0.0.1, port: {port}, check: {{tcp: true, interval: 100ms}}}}\n')
        fleet.start_agent("p8")
        fleet.agent_alive("p8")
        report("logs", log_delays(fleet, path))
        report("samples", sample_delays(fleet))
        report("health", health_delays(fleet, port))
