"""Debian's node_exporter, scraped once a second as Prometheus does: gzip, one connection."""

import gzip
import http.client
import threading
import time

from fleet import Process, eventually, free_port
from servers import program


class NodeExporter:
    """Runs it and scrapes it once a second until stopped; `texts` keeps the answers with their times when asked to."""

    def __init__(self, scratch: str, keeps: bool = False):
        self.port = free_port()
        self.process = Process(
            "node_exporter",
            [program("prometheus-node-exporter", "prometheus-node-exporter"),
             f"--web.listen-address=127.0.0.1:{self.port}"], f"{scratch}/node_exporter.log")
        self.stopped = threading.Event()
        self.scrapes = 0
        self.texts: list[tuple[int, bytes]] | None = [] if keeps else None
        self.thread = threading.Thread(target=self.scrape, daemon=True)
        self.thread.start()

    def get(self, connection: http.client.HTTPConnection, encoding: str) -> bytes:
        connection.request("GET", "/metrics", headers={"accept-encoding": encoding})
        return connection.getresponse().read()

    def scrape(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        while not self.stopped.wait(1 - time.time() % 1):
            second = int(time.time())
            try:
                text = self.get(connection, "gzip")
            except (OSError, http.client.HTTPException):
                connection.close()
                continue
            self.scrapes += 1
            if self.texts is not None:
                self.texts.append((second, text))

    def answers(self, seconds: float = 20) -> None:
        eventually("node_exporter is scraped", seconds, lambda: self.scrapes > 0)

    def series(self) -> int:
        text = self.get(http.client.HTTPConnection("127.0.0.1", self.port), "identity").decode()
        return sum(1 for line in text.splitlines() if line and not line.startswith("#"))

    def end(self) -> None:
        self.stopped.set()
        self.thread.join(5)
        self.process.end()


def samples(text: bytes) -> dict[str, float]:
    """`name{labels}` as it stands in the text, and the value; gzipped text as it was scraped."""
    found: dict[str, float] = {}
    for line in gzip.decompress(text).decode().splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            found[series] = float(value)
    return found
