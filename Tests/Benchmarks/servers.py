"""Muster and its peers from Debian, as servers that take remote write and answer PromQL."""

import glob
import http.client
import json
import os
import shutil
import time

from fleet import Fleet, Process, Unavailable, eventually, free_port
from server import ANSWER_SECONDS, Server, folder_bytes


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if not found:
        raise Unavailable(f"{name} is not installed: apt-get install {package}")
    return found


class Prometheus(Server):
    name = "prometheus"

    def begin(self) -> None:
        self.port = free_port()
        os.makedirs(self.data)
        with open(f"{self.data}/prometheus.yml", "w") as file:
            file.write("global: {}\n")
        self.process = Process(
            self.name,
            [program("prometheus", "prometheus"), f"--config.file={self.data}/prometheus.yml",
             f"--storage.tsdb.path={self.data}/tsdb", f"--web.listen-address=127.0.0.1:{self.port}",
             "--web.enable-remote-write-receiver", "--web.enable-admin-api", "--log.level=warn"],
            f"{self.data}.log")

    def sealed(self) -> dict[str, int]:
        """A snapshot writes the head as a block, as compaction does after two hours."""
        answer = json.loads(self.ask("POST", "/api/v1/admin/tsdb/snapshot"))
        folder = f"{self.data}/tsdb/snapshots/{answer['data']['name']}"
        blocks = [f"{folder}/{name}" for name in os.listdir(folder)]
        chunks = folder_bytes(*(f"{block}/chunks" for block in blocks))
        return {"samples": chunks, "index": folder_bytes(folder) - chunks}


class VictoriaMetrics(Server):
    name = "victoria-metrics"
    # Answers are computed, not remembered.
    query_options = {"nocache": "1"}

    def begin(self) -> None:
        self.port = free_port()
        os.makedirs(self.data)
        self.process = Process(
            self.name,
            [program("victoria-metrics", "victoria-metrics"), f"-storageDataPath={self.data}/storage",
             f"-httpListenAddr=127.0.0.1:{self.port}", "-loggerLevel=WARN",
             # Else what is younger than 30 s is kept back, and a query over all series refused.
             "-search.latencyOffset=0s", "-search.maxUniqueTimeseries=2000000"],
            f"{self.data}.log")

    def metric(self, name: str) -> float:
        text = self.ask("GET", "/metrics").decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def sealed(self) -> dict[str, int]:
        self.ask("GET", "/internal/force_flush")
        self.ask("GET", "/internal/force_merge")
        time.sleep(1)
        eventually("the merge is done", 120, lambda: self.metric("vm_active_force_merges") == 0
                   and self.metric("vm_active_merges") == 0, every=0.5)
        root = f"{self.data}/storage"
        return {"samples": folder_bytes(f"{root}/data"), "index": folder_bytes(f"{root}/indexdb")}


class Muster(Server):
    name = "muster"
    # In the order in which a fleet's samples come, which is what its store is made for.
    bulk_depth = 1
    # Room for whatever a benchmark loads; the retention is what the others have at least.
    config = "metrics: {retention: 24h, maxBytes: 8GiB}\n"
    checkpoint_seconds = 400

    def __init__(self, scratch: str, rules: str | None = None):
        super().__init__(scratch)
        self.rules = rules

    def begin(self) -> None:
        os.makedirs(self.data)
        self.fleet = Fleet(self.data)
        self.fleet.configure(self.config)
        if self.rules:
            os.makedirs(f"{self.fleet.data}/rules", exist_ok=True)
            with open(f"{self.fleet.data}/rules/benchmark.yaml", "w") as file:
                file.write(self.rules)
        self.port = self.fleet.api_port
        self.fleet.__enter__()
        self.process = self.fleet.processes["coordinator"]
        self.authority = f"{self.data}/authority.crt"
        with open(self.authority, "w") as file:
            file.write(self.fleet.api.context["authority"])
        self.token = self.fleet.tool(
            "muster", "token", "create", "--role", "ingester", "--name", "benchmark", env=self.fleet.environment)

    def end(self) -> None:
        if hasattr(self, "process"):
            self.fleet.__exit__(False)

    def sender_extras(self) -> tuple[list[str], dict[str, str]]:
        return [self.authority], {"SENDER_TOKEN": self.token}

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=ANSWER_SECONDS, context=self.fleet.api.tls)

    def headers(self) -> dict[str, str]:
        return {"authorization": "Bearer " + self.fleet.api.context["token"]}

    def sealed(self) -> dict[str, int]:
        """Ended and started again, which seals; else the checkpoint that a running store makes by itself."""
        parts, begun = f"{self.fleet.data}/metrics/parts", time.time()
        self.process.end(60)
        self.disconnect()
        self.process.start()
        self.answers(60)
        seen: list[int] = []

        def is_settled() -> bool:
            seen.append(folder_bytes(parts))
            # A folder's time is that of the last file that came or went.
            is_written = os.path.isdir(parts) and os.path.getmtime(parts) > begun
            return is_written and len(seen) > 5 and len(set(seen[-5:])) == 1
        eventually("a checkpoint seals everything", self.checkpoint_seconds, is_settled, every=2)
        index = sum(map(os.path.getsize, glob.glob(f"{parts}/*.catalogue")))
        return {"samples": folder_bytes(parts) - index, "index": index}


KINDS: dict[str, type[Server]] = {kind.name: kind for kind in (Muster, VictoriaMetrics, Prometheus)}


def wanted(*names: str) -> list[type[Server]]:
    """The kinds of these names, or all, that SERVERS asks for; a missing peer is told and left out."""
    asked = os.environ.get("SERVERS", " ".join(KINDS)).replace(",", " ").split()
    found = []
    for kind in [KINDS[name] for name in names or KINDS if name in asked]:
        if kind is not Muster and not shutil.which(kind.name):
            reason = f"{kind.name} is not installed: apt-get install {kind.name}"
            if os.environ.get("MUSTER_REQUIRE_PEERS") == "1":
                raise Unavailable(reason)
            print(f"without {kind.name}: {reason}")
            continue
        found.append(kind)
    return found
