"""A coordinator and its agents, each the real binary, on loopback with ports and folders of their own."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.parse

BINARIES = os.path.abspath(os.environ["MUSTER_BIN"])


class Unavailable(Exception):
    """Something this machine lacks; the text says what and the way out."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(what: str, seconds: float, check, every: float = 0.05):
    """The first answer of `check` that is true; raises when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        answer = check()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:g} s")
        time.sleep(every)


class Process:
    """A child in a session of its own; its output goes to a file that successors of the same name add to."""

    def __init__(self, name: str, command: list[str], log: str, env: dict | None = None):
        self.name, self.command, self.log, self.env = name, command, log, env
        self.start()

    def start(self) -> None:
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.env, start_new_session=True)

    @property
    def pid(self) -> int:
        return self.child.pid

    def is_running(self) -> bool:
        return self.child.poll() is None

    def kill(self) -> None:
        if self.is_running():
            self.child.kill()
        self.child.wait()

    def end(self, seconds: float = 10) -> None:
        if self.is_running():
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def tail(self, lines: int = 15) -> str:
        with open(self.log, errors="replace") as file:
            return "".join(file.readlines()[-lines:])


class API:
    """The coordinator's HTTPS API, one connection kept open."""

    def __init__(self, context_path: str):
        with open(context_path) as file:
            self.context = json.load(file)
        self.tls = ssl.create_default_context(cadata=self.context["authority"])
        self.connection: http.client.HTTPSConnection | None = None

    def get(self, path: str, **query):
        """The decoded answer. Raises OSError or http.client.HTTPException while nobody answers."""
        return json.loads(self.text(path, **query))

    def text(self, path: str, **query) -> str:
        if self.connection is None:
            host, port = self.context["address"].rsplit(":", 1)
            self.connection = http.client.HTTPSConnection(host, int(port), timeout=60, context=self.tls)
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        try:
            self.connection.request("GET", target, headers={"authorization": "Bearer " + self.context["token"]})
            answer = self.connection.getresponse()
            body = answer.read().decode()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise
        if answer.status != 200:
            raise RuntimeError(f"{target} was refused with {answer.status}: {body}")
        return body

    def instant(self, expression: str) -> list:
        return self.get("/api/v1/query", query=expression)["data"]["result"]

    def lines(self, selector: str, **query) -> list[dict]:
        text = self.text("/v1/logs", selector=selector, **query)
        return [json.loads(line) for line in text.splitlines() if line]


class Fleet:
    """Use as a context manager: every process ends with it, and the ends of all logs are printed when it fails."""

    def __init__(self, scratch: str):
        self.scratch = scratch
        self.link, self.api_port = free_port(), free_port()
        self.data = f"{scratch}/coordinator"
        self.processes: dict[str, Process] = {}
        self.tool("muster", "pki", "init", "--data", self.data, "--link", f"127.0.0.1:{self.link}", "--api",
                  f"127.0.0.1:{self.api_port}")
        self.context_path = f"{self.data}/context.json"
        self.environment = dict(os.environ, MUSTER_CONTEXT=self.context_path)
        self.api = API(self.context_path)

    def configure(self, text: str) -> None:
        """Adds keys to the coordinator's file, before it is started."""
        with open(f"{self.data}/muster.yaml", "a") as file:
            file.write(text)

    def __enter__(self):
        try:
            self.start("coordinator", [f"{BINARIES}/muster", "serve", "--config", f"{self.data}/muster.yaml"])
            self.coordinator_answers()
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, failed, *_):
        for process in reversed(self.processes.values()):
            if failed and not process.is_running():
                print(f"--- {process.name} ended by itself with {process.child.returncode}")
            process.end()
            if failed:
                print(f"--- the end of the log of {process.name}\n{process.tail()}")

    def start(self, name: str, command: list[str], env: dict | None = None) -> Process:
        self.processes[name] = Process(name, command, f"{self.scratch}/{name}.log", env)
        return self.processes[name]

    def tool(self, name: str, *arguments: str, env: dict | None = None) -> str:
        done = subprocess.run([f"{BINARIES}/{name}", *arguments], capture_output=True, text=True, env=env)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {arguments[0]} failed: {done.stderr or done.stdout}")
        return done.stdout.strip()

    def coordinator_answers(self, seconds: float = 20) -> None:
        def check():
            if not self.processes["coordinator"].is_running():
                raise RuntimeError("the coordinator ended:\n" + self.processes["coordinator"].tail())
            try:
                return self.api.get("/v1/status")
            except (OSError, http.client.HTTPException):
                return None
        eventually("the coordinator's first answer", seconds, check)

    def add_agent(self, name: str, config: str, link: int | None = None) -> None:
        """Enrols a host and writes its configuration; starts nothing. `link` is the port the agent dials."""
        state = f"{self.scratch}/{name}"
        token = self.tool("muster", "token", "create", "--host", name, env=self.environment)

        def enrol():
            try:
                return self.tool("muster-agent", "enroll", "--coordinator", f"127.0.0.1:{self.api_port}", "--token",
                                 token, "--state", state, "--host-name", name)
            except RuntimeError as error:
                # One attempt a second is the coordinator's limit.
                if "one attempt a second" not in str(error):
                    raise
                return None
        eventually(f"{name} joins", 20, enrol, every=0.3)
        with open(f"{state}.yaml", "w") as file:
            file.write(f'coordinator: ["127.0.0.1:{link or self.link}"]\nstateDirectory: "{state}"\nhostName: {name}\n')
            file.write(config)

    def start_agent(self, name: str) -> Process:
        return self.start(name, [f"{BINARIES}/muster-agent", "run", "--config", f"{self.scratch}/{name}.yaml"])

    def is_alive(self, name: str) -> bool:
        return any(host["name"] == name and host["state"] == "alive" for host in self.api.get("/v1/hosts"))

    def agent_alive(self, name: str, seconds: float = 30) -> None:
        def check() -> bool:
            if not self.processes[name].is_running():
                raise RuntimeError(f"{name} ended by itself")
            return self.is_alive(name)
        eventually(f"{name} is alive", seconds, check)
