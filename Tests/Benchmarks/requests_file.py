"""Remote write 1.0 requests in a file, ready to send: every server gets the same bytes.

A record is `<IIIQ`: bytes of the body, samples in it, lane, when it is due (milliseconds since 1970); then the body,
a snappy block of a protobuf WriteRequest. Records of one lane go over one connection in their order, so the samples of
a series stay in order. sender.c reads this.
"""

import ctypes
import ctypes.util
import struct

from fleet import Unavailable
from series import Host

SAMPLES_A_REQUEST = 2_000
RECORD = struct.Struct("<IIIQ")
# A sample of 16 bytes: a fixed64 value and a timestamp that takes six bytes until the year 2109.
SAMPLE, TIME, SAMPLE_SIZE = b"\x12\x10\x09", b"\x10", 18


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def encoded_labels(labels: dict[str, str]) -> bytes:
    out = bytearray()
    for name, value in sorted(labels.items()):
        name, value = name.encode(), value.encode()
        label = b"\x0a" + varint(len(name)) + name + b"\x12" + varint(len(value)) + value
        out += b"\x0a" + varint(len(label)) + label
    return bytes(out)


def head(labels: bytes, samples: int) -> bytes:
    """A TimeSeries up to its first value."""
    return b"\x0a" + varint(len(labels) + samples * SAMPLE_SIZE) + labels + SAMPLE


def stamp(milliseconds: int) -> bytes:
    return TIME + varint(milliseconds)


class Snappy:
    def __init__(self):
        name = ctypes.util.find_library("snappy")
        if not name:
            raise Unavailable("libsnappy is not installed: apt-get install libsnappy-dev")
        self.library = ctypes.CDLL(name)
        self.library.snappy_max_compressed_length.restype = ctypes.c_size_t
        self.library.snappy_max_compressed_length.argtypes = [ctypes.c_size_t]

    def compressed(self, raw: bytes) -> bytes:
        size = ctypes.c_size_t(self.library.snappy_max_compressed_length(len(raw)))
        out = ctypes.create_string_buffer(size.value)
        if self.library.snappy_compress(raw, ctypes.c_size_t(len(raw)), out, ctypes.byref(size)) != 0:
            raise RuntimeError("snappy refused a block")
        return ctypes.string_at(out, size.value)


class RequestsFile:
    """Use as a context manager."""

    def __init__(self, path: str):
        self.path, self.samples, self.requests, self.bytes = path, 0, 0, 0
        self.snappy = Snappy()

    def __enter__(self):
        self.file = open(self.path, "wb", buffering=1 << 20)
        return self

    def __exit__(self, *_):
        self.file.close()

    def add(self, raw: bytes, samples: int, lane: int, due: int) -> None:
        body = self.snappy.compressed(raw)
        self.file.write(RECORD.pack(len(body), samples, lane, due))
        self.file.write(body)
        self.samples += samples
        self.requests += 1
        self.bytes += len(body)


class Stretch:
    """A run of a host's series in one request: its bytes without the values and times, and where those go."""

    def __init__(self, host: Host, first: int, end: int, depth: int):
        self.host, self.first, self.end, self.depth = host, first, end, depth
        self.parts: list[bytes] = [b""] * ((end - first) * (1 + 2 * depth))
        self.parts[::1 + 2 * depth] = [head(labels, depth) for labels in host.labels[first:end]]

    def bytes(self, rows: list[list[bytes]], stamps: list[bytes]) -> bytes:
        """`depth` samples of each series; a row holds the values of all series of the host at one time."""
        width, count = 1 + 2 * self.depth, self.end - self.first
        for place, (row, stamp_bytes) in enumerate(zip(rows, stamps)):
            is_last = place == self.depth - 1
            self.parts[1 + 2 * place::width] = row[self.first:self.end]
            self.parts[2 + 2 * place::width] = [stamp_bytes if is_last else stamp_bytes + SAMPLE] * count
        return b"".join(self.parts)


def stretches(hosts: list[Host], depth: int) -> list[list[Stretch]]:
    """What each request of a round carries: whole hosts while they fit, else parts of one."""
    size = len(hosts[0].labels)
    budget = max(1, SAMPLES_A_REQUEST // depth)
    if whole := budget // size:
        groups = [hosts[first:first + whole] for first in range(0, len(hosts), whole)]
        return [[Stretch(host, 0, size, depth) for host in group] for group in groups]
    return [
        [Stretch(host, first, min(first + budget, size), depth)]
        for host in hosts for first in range(0, size, budget)]


def write(path: str, hosts: list[Host], start: float, interval: float, ticks: int, depth: int = 1) -> RequestsFile:
    """`ticks` samples of every series, from `start` (seconds since 1970) on, `depth` of a series in a request.

    A request is due when the last of its samples was taken.
    """
    with RequestsFile(path) as out:
        plan = stretches(hosts, depth)
        for first in range(0, ticks, depth):
            if first + depth > ticks:
                raise ValueError("depth divides the ticks")
            rows: dict[str, list[list[bytes]]] = {}
            stamps: dict[str, list[bytes]] = {}
            for lane, request in enumerate(plan):
                raw, samples = [], 0
                for stretch in request:
                    name = stretch.host.name
                    if name not in rows:
                        rows[name] = [list(stretch.host.tick()) for _ in range(depth)]
                        began = start + stretch.host.offset * interval
                        stamps[name] = [
                            stamp(round((began + (first + number) * interval) * 1_000)) for number in range(depth)]
                    raw.append(stretch.bytes(rows[name], stamps[name]))
                    samples += depth * (stretch.end - stretch.first)
                due = start + (first + depth - 1 + request[-1].host.offset) * interval
                out.add(b"".join(raw), samples, lane, round(due * 1_000))
    return out


def write_ticks(path: str, ticks: list[tuple[int, dict[bytes, float]]]) -> RequestsFile:
    """Samples as they were seen, a request for each tick: milliseconds and the values by encoded labels."""
    with RequestsFile(path) as out:
        for milliseconds, values in ticks:
            time = stamp(milliseconds)
            raw = b"".join(head(labels, 1) + struct.pack("<d", value) + time for labels, value in values.items())
            out.add(raw, len(values), 0, milliseconds)
    return out
