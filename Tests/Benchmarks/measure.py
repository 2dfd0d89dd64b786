"""What is measured: CPU time and memory of a process from /proc, bytes through a counting proxy, and how it is told."""

import contextlib
import math
import os
import resource
import select
import signal
import socket
import subprocess
import threading

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, those that ended included."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid: int, key: str) -> float:
    """`VmRSS` or `VmHWM` in MB (10^6 bytes)."""
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) * 1024 / 1e6
    raise KeyError(key)


def child_cpu(command: list[str], stdin_path: str) -> tuple[float, int]:
    """CPU seconds of a command fed from a file, and the bytes it put out."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    count = 0
    with open(stdin_path, "rb") as source:
        child = subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE)
        while piece := os.read(child.stdout.fileno(), 1 << 20):
            count += len(piece)
        if child.wait() != 0:
            raise RuntimeError(f"{command[0]} failed with {child.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime, count


@contextlib.contextmanager
def profiled(title: str, pid: int, data: str):
    """With PROFILE=1 records the process with perf into `data` and prints where its time went; else does nothing."""
    if os.environ.get("PROFILE") != "1":
        yield
        return
    recorder = subprocess.Popen(
        ["perf", "record", "-q", "-F", "499", "-g", "-o", data, "-p", str(pid)], stdout=subprocess.DEVNULL)
    try:
        yield
    finally:
        recorder.send_signal(signal.SIGINT)
        recorder.wait()
    for key in ["dso", "dso,symbol"]:
        done = subprocess.run(
            ["perf", "report", "-i", data, "--stdio", "--no-children", "-g", "none", "--percent-limit", "1", "--sort",
             key], capture_output=True, text=True)
        print(f"{title} by {key}")
        print("\n".join(line for line in done.stdout.splitlines() if line.strip() and not line.startswith("#")))


class CountingProxy:
    """Passes TCP connections on to a port of this machine and counts all bytes above TCP, TLS included."""

    def __init__(self, port: int):
        self.target = port
        self.up = self.down = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def total(self) -> int:
        return self.up + self.down

    def _accept(self) -> None:
        while True:
            client, _ = self.listener.accept()
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        try:
            with client, socket.create_connection(("127.0.0.1", self.target)) as server:
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while True:
                    for end in select.select([client, server], [], [])[0]:
                        piece = end.recv(1 << 18)
                        if not piece:
                            return
                        if end is client:
                            self.up += len(piece)
                            server.sendall(piece)
                        else:
                            self.down += len(piece)
                            client.sendall(piece)
        except OSError:
            # One side is gone; the other is closed with it, as without a proxy.
            return


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def bar(text: str, is_met: bool) -> str:
    return f"bar {text}: {'met' if is_met else 'MISSED'}"


def tell(name: str, figure: str, *more: str) -> None:
    print(" | ".join([f"{name} {figure}", *more]))
