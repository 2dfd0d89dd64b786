"""P14: what an evaluation costs: the panels of a dashboard over the last hour, and public rules at one time.

Each server has an hour of 100 hosts with 500 series, ten seconds apart. Every question is asked once to see what is
answered, then in rounds while the server's CPU time is counted, HTTP and JSON included. The answers are compared
with those of Prometheus, so that equal work is compared: the same series, values within 1e-9. VictoriaMetrics differs
by intention where rates are extrapolated, so there it is only counted.
"""

import dataclasses
import math
import os
import time

import dashboard
import public_rules
from fleet import Unavailable
from fleet_load import FleetLoad
from measure import bar, profiled, tell
from server import Refused, Server
from servers import Muster, Prometheus, wanted

HOSTS = int(os.environ.get("P14_HOSTS", "100"))
TICKS = int(os.environ.get("P14_TICKS", "360"))
ROUNDS = int(os.environ.get("P14_ROUNDS", "3"))
# The dashboard is small beside the rules.
DASHBOARD_ROUNDS = 5 * ROUNDS
STEP = 15
# For what a server does with new samples once they are there.
SETTLE = 10
BAR = 1.0
TOLD_MAX = 20


class Questions:
    """A set of expressions that are all asked in one way."""

    def __init__(self, title: str, expressions: list[str], load: FleetLoad, is_range: bool):
        self.title, self.expressions = title, expressions
        if is_range:
            self.path, self.rounds = "/api/v1/query_range", DASHBOARD_ROUNDS
            self.form = {"start": f"{load.start:.3f}", "end": f"{load.end:.3f}", "step": STEP}
        else:
            self.path, self.rounds = "/api/v1/query", ROUNDS
            self.form = {"time": f"{load.end:.3f}"}

    def ask(self, server: Server, expression: str) -> list:
        return server.query(self.path, query=expression, **self.form)

    def ask_all(self, server: Server) -> None:
        for expression in self.expressions:
            try:
                server.ask("POST", self.path, query=expression, **self.form, **server.query_options)
            except Refused:
                pass  # Counted by the first round; it has a cost, too.


Answer = dict[tuple, dict[float, float]] | None


def plain(result: list) -> Answer:
    """labels -> time -> value."""
    return {
        tuple(sorted(series["metric"].items())): {
            at: float(value) for at, value in series.get("values") or [series["value"]]}
        for series in result}


def is_near(mine: float, other: float) -> bool:
    return mine == other or (math.isnan(mine) and math.isnan(other)) or math.isclose(mine, other, rel_tol=1e-9)


def difference(mine: Answer, other: Answer) -> str | None:
    """None when both say the same."""
    if len(mine) != len(other):
        return f"{len(mine)} series, not {len(other)}"
    for labels, values in mine.items():
        if labels not in other:
            return f"a series {dict(labels)}"
        peers = other[labels]
        if values.keys() != peers.keys():
            return f"{len(values)} values of {dict(labels)}, not {len(peers)}"
        for at, value in values.items():
            if not is_near(value, peers[at]):
                return f"{value!r} of {dict(labels)} at {at}, not {peers[at]!r}"
    return None


@dataclasses.dataclass
class Answered:
    """CPU milliseconds of an evaluation, and what each expression gave; None was refused."""
    cost: float
    answers: list[Answer]


def answered(server: Server, questions: Questions) -> Answered:
    answers: list[Answer] = []
    for expression in questions.expressions:
        try:
            answers.append(plain(questions.ask(server, expression)))
        except Refused:
            answers.append(None)
    before = server.cpu
    with profiled(f"P14 {questions.title}.{server.name}", server.process.pid, f"{server.data}.perf"):
        for _ in range(questions.rounds):
            questions.ask_all(server)
    return Answered((server.cpu - before) * 1e3 / questions.rounds / len(questions.expressions), answers)


def agreement(name: str, questions: Questions, mine: Answered, reference: Answered) -> str:
    """Compares with the reference and tells where Muster differs."""
    same, told, both = 0, 0, 0
    for expression, answer, other in zip(questions.expressions, mine.answers, reference.answers):
        if answer is None or other is None:
            found = "refused here alone" if other is not None else None
        else:
            both += 1
            found = difference(answer, other)
            same += found is None
        if found and name == Muster.name and (told := told + 1) <= TOLD_MAX:
            print(f"P14 differs: {' '.join(expression.split())[:160]}: {found}")
    if told > TOLD_MAX:
        print(f"P14 differs in {told - TOLD_MAX} more")
    return f"{same} of {both} as prometheus"


def question_sets(load: FleetLoad) -> list[Questions]:
    found = [Questions("dashboard", dashboard.QUERIES, load, is_range=True)]
    try:
        found.append(Questions("rules", public_rules.expressions(), load, is_range=False))
    except Unavailable as reason:
        print(f"P14 goes on without rules: {reason}")
    return found


def report(questions: Questions, all: dict[str, Answered]) -> None:
    peers = {name: found.cost for name, found in all.items() if name != Muster.name}
    for name, found in all.items():
        more = [f"{peer} {cost:.2f}" for peer, cost in peers.items()] if name == Muster.name else []
        if name == Muster.name and peers:
            ratio = found.cost / min(peers.values())
            more += [f"ratio {ratio:.2f}", bar(f"<= {BAR:g} x the faster", ratio <= BAR)]
        if name != Prometheus.name and Prometheus.name in all:
            more.append(agreement(name, questions, found, all[Prometheus.name]))
        refused = sum(answer is None for answer in found.answers)
        tell(f"P14 {questions.title}.{name}", f"{found.cost:.2f} CPU-ms/evaluation", *more,
             f"{len(questions.expressions)} expressions, {sum(bool(answer) for answer in found.answers)} with series,"
             f" {refused} refused, {questions.rounds} rounds")


def run(scratch: str) -> None:
    load = FleetLoad(scratch, HOSTS, TICKS)
    sets = question_sets(load)
    found: dict[str, dict[str, Answered]] = {questions.title: {} for questions in sets}
    for kind in wanted():
        with kind(scratch) as server:
            server.load(load.file(kind.bulk_depth))
            load.wait(server)
            load.check(server)
            time.sleep(SETTLE)
            for questions in sets:
                found[questions.title][kind.name] = answered(server, questions)
    for questions in sets:
        report(questions, found[questions.title])
