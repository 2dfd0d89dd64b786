"""P6: bytes of a sample at rest, when the server has brought everything into its sealed form.

`fleet`: 50,000 series of 100 hosts, 100 samples each. `host`: this host's node_exporter scraped every second for two
minutes and sent as it was. Logs that are kept until a checkpoint are not counted, they do not grow with the retention.
The index of names and labels stands beside the samples; it is paid once for a series, however long that lives.
"""

import os
import re
import time

import requests_file
from fleet import eventually
from fleet_load import FleetLoad
from measure import bar, tell
from node_exporter import NodeExporter, samples
from server import Server
from servers import wanted

HOSTS = int(os.environ.get("P6_HOSTS", "100"))
TICKS = int(os.environ.get("P6_TICKS", "100"))
SECONDS = int(os.environ.get("P6_SECONDS", "120"))
BAR = 0.9
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}


def encoded(series: str) -> bytes:
    """The labels of a series as node_exporter writes it, with those that a scrape adds and without empty ones."""
    name, _, rest = series.partition("{")
    labels = {label: re.sub(r"\\.", lambda pair: ESCAPES.get(pair[0], pair[0]), value)
              for label, value in LABEL.findall(rest) if value}
    return requests_file.encoded_labels({"__name__": name, "instance": "captured:9100", "job": "captured"} | labels)


class Captured:
    """This host for a while, as requests."""

    def __init__(self, scratch: str):
        exporter = NodeExporter(scratch, keeps=True)
        try:
            exporter.answers()
            time.sleep(SECONDS)
        finally:
            exporter.end()
        names: dict[str, bytes] = {}
        ticks = []
        for second, text in exporter.texts:
            values = samples(text)
            for series in values.keys() - names.keys():
                names[series] = encoded(series)
            ticks.append((second * 1_000, {names[series]: value for series, value in sorted(values.items())}))
        self.path = f"{scratch}/captured.requests"
        self.samples = requests_file.write_ticks(self.path, ticks).samples
        self.series, self.end = len(names), ticks[-1][0] / 1_000
        self.ticks = len(ticks)

    def file(self) -> str:
        return self.path

    def wait(self, server: Server) -> None:
        question = f'count_over_time(node_load1{{job="captured"}}[{SECONDS * 2}s])'
        eventually(f"{server.name} answers with all samples", 60,
                   lambda: server.try_number(question, self.end) == self.ticks, every=0.2)


def at_rest(kind: type[Server], scratch: str, load: FleetLoad | Captured) -> dict[str, float]:
    """Bytes a sample."""
    with kind(scratch) as server:
        server.load(load.file())
        load.wait(server)
        return {what: size / load.samples for what, size in server.sealed().items()}


def run(scratch: str) -> None:
    loads = {"host": Captured(scratch), "fleet": FleetLoad(scratch, HOSTS, TICKS)}
    for title, load in loads.items():
        figures = {kind.name: at_rest(kind, scratch, load) for kind in wanted()}
        for name, found in figures.items():
            peers = [f"{peer} {figures[peer]['samples']:.2f}" for peer in figures if peer != "muster"]
            more = [*peers, bar(f"<= {BAR:g}", found["samples"] <= BAR)] if name == "muster" else []
            tell(f"P6 rest.{title}.{name}", f"{found['samples']:.2f} B/sample", *more,
                 f"index {found['index']:.2f}", f"{load.series} series, {load.samples} samples")
