"""R1: acknowledged records that are lost or doubled when either side is killed at random.

Writers append numbered lines and rotate their files by renaming while the coordinator or the agent gets SIGKILL,
R1_KILLS times, at random moments of a printed seed, and is started again. Afterwards every line must be there exactly
once. Metrics in flight may be lost with their process, but a sample that a query once gave out must be there at the
end.
"""

import collections
import http.client
import os
import random
import threading
import time

from fleet import Fleet, eventually
from measure import bar, tell

KILLS = int(os.environ.get("R1_KILLS", "50"))
SEED = int(os.environ.get("R1_SEED", str(random.SystemRandom().getrandbits(32))))
WRITERS = 2
LINES_A_SECOND = 1_000
ROTATE_AFTER = 20_000
# All lines of a page share their first digits: a page is one question with `contains`.
PAGE = 10_000


class Writer(threading.Thread):
    """Appends `<name>-<page:05>-<number in the page:04> ...` until stopped; rotates by renaming, keeping every file."""

    def __init__(self, folder: str, name: str):
        super().__init__(daemon=True)
        self.path, self.title = f"{folder}/{name}.log", name
        self.stopping = threading.Event()
        self.count = 0

    def line(self, number: int) -> str:
        return f"{self.title}-{number // PAGE:05}-{number % PAGE:04} {'x' * (number % 80)}\n"

    def run(self) -> None:
        file = open(self.path, "a")
        batch = LINES_A_SECOND // 20
        while not self.stopping.wait(0.05):
            file.write("".join(self.line(number) for number in range(self.count, self.count + batch)))
            file.flush()
            self.count += batch
            if self.count % ROTATE_AFTER == 0:
                file.close()
                os.rename(self.path, f"{self.path}.{self.count // ROTATE_AFTER}")
                file = open(self.path, "a")
        file.close()


def stored(fleet: Fleet, writer: Writer) -> dict[str, list[str]]:
    """The lines of a writer that are stored, each with the times it was read at."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for page in range((writer.count + PAGE - 1) // PAGE):
        for entry in fleet.api.lines(
                '{host="r1"}', contains=f"{writer.title}-{page:05}-", since="6h", limit=50_000):
            found[entry["line"]].append(entry["ts"])
    return found


def missing(found: dict[str, list[str]], writer: Writer) -> list[str]:
    lines = (writer.line(number).rstrip("\n") for number in range(writer.count))
    return [line for line in lines if line not in found]


class Watcher:
    """The samples that queries gave out: seconds since 1970 and value."""

    EXPRESSION = 'node_time_seconds{host="r1"}'

    def __init__(self, fleet: Fleet):
        self.fleet, self.begun = fleet, int(time.time())
        self.seen: set[str] = set()

    def values(self) -> set[str]:
        found: set[str] = set()
        start, now = self.begun, int(time.time())
        while start <= now:
            # Ticks stand on whole seconds, so steps of a second meet every one.
            end = min(start + 3_000, now)
            answer = self.fleet.api.get(
                "/api/v1/query_range", query=self.EXPRESSION, start=start, end=end, step="1s")["data"]
            found.update(value for series in answer["result"] for _, value in series["values"])
            start = end + 1
        return found

    def look(self) -> None:
        try:
            self.seen |= self.values()
        except (OSError, http.client.HTTPException):
            # The coordinator is away: nothing was given out.
            pass


def kill_at_random(fleet: Fleet, watcher: Watcher, chance: random.Random) -> dict[str, int]:
    kills = {"coordinator": 0, "r1": 0}
    for _ in range(KILLS):
        begun, pause = time.monotonic(), chance.uniform(0.2, 2.5)
        watcher.look()
        time.sleep(max(0, pause - (time.monotonic() - begun)))
        name = chance.choice(list(kills))
        fleet.processes[name].kill()
        kills[name] += 1
        time.sleep(chance.uniform(0, 0.5))
        fleet.processes[name].start()
    return kills


def run(scratch: str) -> None:
    folder = f"{scratch}/logs"
    os.makedirs(folder)
    print(f"R1 seed {SEED}")
    with Fleet(scratch) as fleet:
        fleet.add_agent("r1", f'docker: {{enabled: false}}\nlogs:\n  files:\n    - path: "{folder}/*.log"\n')
        fleet.start_agent("r1")
        fleet.agent_alive("r1")
        watcher = Watcher(fleet)
        writers = [Writer(folder, f"writer{number}") for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        kills = kill_at_random(fleet, watcher, random.Random(SEED))
        for writer in writers:
            writer.stopping.set()
            writer.join()
        fleet.coordinator_answers(60)
        fleet.agent_alive("r1", 90)
        report(fleet, watcher, writers, kills)


def report(fleet: Fleet, watcher: Watcher, writers: list[Writer], kills: dict[str, int]) -> None:
    lost = doubled = 0
    for writer in writers:
        try:
            eventually(f"every line of {writer.title} is there", 120,
                       lambda: not missing(stored(fleet, writer), writer), every=1)
        except TimeoutError:
            pass
        found = stored(fleet, writer)
        gone = missing(found, writer)
        again = {line: times for line, times in found.items() if len(times) > 1}
        lost += len(gone)
        doubled += sum(len(times) - 1 for times in again.values())
        if gone:
            print(f"R1 lost from {gone[0]!r} to {gone[-1]!r}")
        if again:
            print(f"R1 doubled from {min(again)!r} to {max(again)!r}, read at {', '.join(again[min(again)])}")
    total = sum(writer.count for writer in writers)
    tell("R1 kills.logs", f"{lost} lost", f"{doubled} doubled", bar("0 / 0", lost == doubled == 0),
         f"{total} lines, {KILLS} kills ({kills['coordinator']} coordinator, {kills['r1']} agent), seed {SEED}")
    gone = len(watcher.seen - watcher.values())
    tell("R1 kills.samples", f"{gone} lost of {len(watcher.seen)} given out", bar("0", gone == 0))
