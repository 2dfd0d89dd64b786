"""A server that takes remote write and answers PromQL: what is the same for Muster and its peers."""

import dataclasses
import http.client
import json
import os
import shutil
import subprocess
import time
import urllib.parse

from fleet import Process, Unavailable, eventually
from measure import cpu_seconds, memory

SENDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".build", "sender")
ANSWER_SECONDS = 300
CONNECTION_IDLE = 30


class Refused(Exception):
    """The server answered, and not with success."""


@dataclasses.dataclass
class Sent:
    """What sender.c tells: seconds of wall and of its own CPU time, counts, bytes, and the first refusal."""
    seconds: float
    cpu: float
    samples: int
    requests: int
    bytes: int
    refused: int
    retried: int
    latest: float
    refusal: str


def folder_bytes(*paths: str) -> int:
    """Bytes of all files below; a file of several names once, and no holes."""
    found: dict[tuple[int, int], int] = {}
    for path in paths:
        for folder, _, names in os.walk(path):
            for name in names:
                try:
                    status = os.lstat(os.path.join(folder, name))
                except FileNotFoundError:
                    continue  # Merged away between the two calls.
                found[status.st_dev, status.st_ino] = min(status.st_blocks * 512, status.st_size)
    return sum(found.values())


class Server:
    """Use as a context manager. A subclass starts `process` and knows its folders."""

    name: str
    process: Process
    port: int
    write_path = "/api/v1/write"
    query_options: dict[str, str] = {}
    # Samples of a series in one request of a bulk load: as many as cost the server the least.
    bulk_depth = 60

    def __init__(self, scratch: str):
        self.data = f"{scratch}/{self.name}"
        self.connection: http.client.HTTPConnection | None = None
        self.asked_at = 0.0

    def __enter__(self):
        try:
            self.begin()
            self.answers(60)
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, failed, *_):
        self.end()
        if failed and hasattr(self, "process"):
            print(f"--- the end of the log of {self.name}\n{self.process.tail()}")
        shutil.rmtree(self.data, ignore_errors=True)

    def begin(self) -> None:
        raise NotImplementedError

    def end(self) -> None:
        if hasattr(self, "process"):
            self.process.end(60)

    def kill_and_start(self) -> None:
        self.process.kill()
        self.disconnect()
        self.process.start()

    @property
    def cpu(self) -> float:
        return cpu_seconds(self.process.pid)

    @property
    def rss(self) -> float:
        """In bytes."""
        return memory(self.process.pid, "VmRSS") * 1e6

    # What it is sent.

    def sender_extras(self) -> tuple[list[str], dict[str, str]]:
        """More arguments and environment for the sender."""
        return [], {}

    def sending(self, path: str, connections: int = 2, is_paced: bool = False) -> subprocess.Popen:
        if not os.path.exists(SENDER):
            raise Unavailable("the sender is not built: Tests/Benchmarks/run.sh does it, with cc and libssl-dev")
        arguments, environment = self.sender_extras()
        command = [SENDER, path, str(self.port), self.write_path, str(connections), "due" if is_paced else "now"]
        return subprocess.Popen(
            command + arguments, env=dict(os.environ, **environment), stdout=subprocess.PIPE, text=True)

    def sent(self, sending: subprocess.Popen, seconds: float) -> Sent:
        """Waits for the sender; refusals are an error, because then the servers did not do the same work."""
        try:
            text, _ = sending.communicate(timeout=seconds)
        finally:
            if sending.poll() is None:
                sending.kill()
                sending.wait()
        if sending.returncode != 0:
            raise RuntimeError(f"sending to {self.name} failed with {sending.returncode}")
        sent = Sent(**json.loads(text))
        if sent.refused:
            raise Refused(f"{self.name} refused {sent.refused} requests, the first with {sent.refusal}")
        return sent

    def load(self, path: str, connections: int = 2, seconds: float = 600) -> Sent:
        return self.sent(self.sending(path, connections), seconds)

    # What it is asked.

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)

    def disconnect(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def headers(self) -> dict[str, str]:
        return {}

    def ask(self, method: str, path: str, **form: object) -> bytes:
        """The body of an answer; `Refused` when it is not a 2xx."""
        # Servers close connections that are idle for some minutes.
        if time.monotonic() - self.asked_at > CONNECTION_IDLE:
            self.disconnect()
        self.asked_at = time.monotonic()
        self.connection = self.connection or self.connect()
        body = urllib.parse.urlencode(form) if method == "POST" else None
        headers = self.headers() | ({"content-type": "application/x-www-form-urlencoded"} if body is not None else {})
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            self.disconnect()
            raise
        if answer.status // 100 != 2:
            raise Refused(f"{self.name}: {answer.status} {text[:300].decode(errors='replace')}")
        return text

    def query(self, path: str, **form: object) -> list:
        answer = json.loads(self.ask("POST", path, **form, **self.query_options))
        data = answer["data"]
        if data["resultType"] in ("scalar", "string"):
            return [{"metric": {}, "value": data["result"]}]
        return data["result"]

    def instant(self, expression: str, at: float) -> list:
        return self.query("/api/v1/query", query=expression, time=f"{at:.3f}")

    def range(self, expression: str, start: float, end: float, step: float) -> list:
        return self.query("/api/v1/query_range", query=expression, start=f"{start:.3f}", end=f"{end:.3f}", step=step)

    def number(self, expression: str, at: float) -> float:
        """The only value of the answer, 0 without one."""
        found = self.instant(expression, at)
        return float(found[0]["value"][1]) if found else 0

    def try_number(self, expression: str, at: float) -> float | None:
        """None while nobody answers or not yet."""
        try:
            return self.number(expression, at)
        except (OSError, http.client.HTTPException, Refused):
            return None

    def answers(self, seconds: float) -> None:
        def check() -> bool:
            if not self.process.is_running():
                raise RuntimeError(f"{self.name} ended:\n{self.process.tail()}")
            return self.try_number("1", time.time()) is not None
        eventually(f"the first answer of {self.name}", seconds, check)

    # What it keeps.

    def sealed(self) -> dict[str, int]:
        """Brings everything into its form at rest; the bytes of `samples` and `index`."""
        raise NotImplementedError
