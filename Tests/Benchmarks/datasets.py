"""Log files made from a seed: the same bytes on every machine."""

import os
import random

HOUR = 3_600
START = 1_767_225_600  # 2026-01-01T00:00:00Z

METHODS = ["GET"] * 17 + ["POST"] * 2 + ["PUT"]
STATUS = [200] * 80 + [304] * 9 + [404] * 5 + [301] * 3 + [499, 500, 502]
SHELVES = (
    "api/v1/users api/v1/orders api/v2/search static/js static/css images/products checkout blog"
).split()
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5",
    "curl/8.5.0",
    "kube-probe/1.29",
]

WORDS = (
    "connection from closed by peer session opened for user root started finished failed with status timeout"
    " while reading response header upstream cache miss entry evicted queue length exceeded retry attempt"
    " scheduled job worker thread received signal shutting down listening on port device link becomes ready new"
    " address lease renewed disk quota warning error cannot allocate buffer page request handler database query"
    " slow transaction committed rolled back"
).split()
PROGRAMS = ["sshd", "systemd", "kernel", "cron", "postfix/smtpd", "dhclient", "nginx", "postgres", "app-worker"]


def clock(second: int) -> str:
    """RFC 3339 within the first day after START."""
    day = second % (24 * HOUR)
    return f"2026-01-01T{day // HOUR:02}:{day % HOUR // 60:02}:{day % 60:02}"


def access_line(chance: random.Random, number: int) -> str:
    second = number // 400
    shelf = chance.choice(SHELVES)
    item = int(chance.paretovariate(0.8)) % 50_000
    size = int(chance.lognormvariate(8, 1.5))
    seconds = chance.lognormvariate(-3.5, 1)
    address = f"10.{item % 4}.{chance.getrandbits(6)}.{chance.getrandbits(8)}"
    return (
        f'{{"time":"{clock(second)}.{number % 400 * 2:03}Z","remote_addr":"{address}","request_id":"'
        f'{chance.getrandbits(128):032x}","method":"{chance.choice(METHODS)}","uri":"/{shelf}/{item}",'
        f'"status":{chance.choice(STATUS)},"body_bytes_sent":{size},"request_time":{seconds:.3f},'
        f'"upstream_response_time":"{seconds * 0.9:.3f}","http_user_agent":"{chance.choice(AGENTS)}"}}\n'
    )


def text_line(chance: random.Random, number: int) -> str:
    program = chance.choice(PROGRAMS)
    words = " ".join(chance.choices(WORDS, k=4 + chance.getrandbits(3)))
    return (
        f"{clock(number // 200)}+00:00 web-{chance.getrandbits(2)} {program}[{1_000 + chance.getrandbits(12)}]: "
        f"{words} {chance.getrandbits(16)} ({chance.getrandbits(24):x})\n"
    )


def write(path: str, megabytes: int, line, seed: int) -> int:
    """Writes whole lines until `megabytes` (2^20 bytes) are reached; the bytes written."""
    chance = random.Random(seed)
    size, number = 0, 0
    with open(path, "w", encoding="ascii", buffering=1 << 20) as file:
        while size < megabytes << 20:
            text = line(chance, number)
            file.write(text)
            size += len(text)
            number += 1
    return os.path.getsize(path)
