"""A fleet's samples of the last minutes as files of requests, and how to see that a server has all of them."""

import os
import time

import requests_file
import series
from fleet import eventually
from server import Server


class FleetLoad:
    """`ticks` samples of each of 500 series of `hosts` hosts, the last one not in the future."""

    def __init__(self, scratch: str, hosts: int, ticks: int, interval: int = 10, start: float | None = None):
        self.scratch, self.hosts, self.ticks, self.interval = scratch, hosts, ticks, interval
        self.start = start or time.time() // interval * interval - ticks * interval
        self.end = self.start + ticks * interval
        self.series = hosts * series.SERIES
        self.samples = self.series * ticks
        self.bytes = 0

    def file(self, depth: int = 1) -> str:
        """The path of the requests, made at the first call."""
        path = f"{self.scratch}/{self.hosts}x{self.ticks}-{depth}.requests"
        if not os.path.exists(path):
            hosts = series.fleet(self.hosts, requests_file.encoded_labels)
            self.bytes = requests_file.write(path, hosts, self.start, self.interval, self.ticks, depth).bytes
        return path

    def drop(self) -> None:
        for name in os.listdir(self.scratch):
            if name.endswith(".requests"):
                os.unlink(f"{self.scratch}/{name}")

    def wait(self, server: Server, seconds: float = 120) -> None:
        """Until a series of each host has all its samples; a cheap question, as its cost is measured with the rest."""
        expected = self.hosts * self.ticks
        question = f"sum(count_over_time(node_load1[{self.ticks * self.interval}s]))"
        eventually(f"{server.name} answers with all samples", seconds,
                   lambda: server.try_number(question, self.end) == expected, every=0.2)

    def check(self, server: Server) -> None:
        """That every sample is there; name by name, because without their names series are the same."""
        names = {name for _, name, _ in series.catalogue()}
        window = self.ticks * self.interval
        found = sum(server.number(f"sum(count_over_time({name}[{window}s]))", self.end) for name in names)
        if found != self.samples:
            raise RuntimeError(f"{server.name} has {found:.0f} of {self.samples} samples")
