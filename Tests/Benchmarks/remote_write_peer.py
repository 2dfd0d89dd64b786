"""Prometheus as an agent, beside ours: it scrapes node_exporter every second and sends by remote write to a sink that
keeps nothing. Its defaults throughout; no TLS, which flatters it.
"""

import http.client
import http.server
import os
import threading
import time

from fleet import Process, eventually, free_port
from measure import CountingProxy
from node_exporter import NodeExporter
from servers import program

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{exporter}"]}}]
remote_write:
  - url: http://127.0.0.1:{sink}/api/v1/write
"""


class Sink(http.server.BaseHTTPRequestHandler):
    """Takes every request."""
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


class RemoteWritePeer:
    """Use as a context manager."""

    def __init__(self, scratch: str):
        self.data = f"{scratch}/remote-write"
        os.makedirs(self.data)
        prometheus = program("prometheus", "prometheus")
        self.exporter = NodeExporter(scratch)
        self.sink = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
        threading.Thread(target=self.sink.serve_forever, daemon=True).start()
        self.proxy = CountingProxy(self.sink.server_address[1])
        self.port = free_port()
        with open(f"{self.data}/prometheus.yml", "w") as file:
            file.write(CONFIG.format(exporter=self.exporter.port, sink=self.proxy.port))
        self.process = Process(
            "prometheus",
            [prometheus, "--enable-feature=agent", f"--config.file={self.data}/prometheus.yml",
             f"--storage.agent.path={self.data}/agent", f"--web.listen-address=127.0.0.1:{self.port}",
             "--log.level=warn"], f"{self.data}/log")

    def __enter__(self):
        try:
            eventually("the first samples are written to the sink", 60, lambda: self.samples() > 0, every=0.5)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.end()
        self.exporter.end()
        self.sink.shutdown()
        self.sink.server_close()

    def samples(self) -> int:
        """Those that were sent so far, 0 while it does not answer."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException):
            return 0
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines()
                   if line.startswith("prometheus_remote_storage_samples_total{"))

    def window(self, seconds: float) -> float:
        """Bytes a sample, both ways."""
        samples, count = self.samples(), self.proxy.total
        time.sleep(seconds)
        return (self.proxy.total - count) / max(1, self.samples() - samples)
