"""M1: a million active series in one coordinator on two cores, with rules, for ten minutes.

2,000 hosts of 500 series by remote write, each series every 30 s, the hosts spread evenly over that; 200 rules over all
hosts every 10 s. The rules hold for no series: what alerts cost is another figure. From the second interval on, when
all series are there, the largest resident size is taken every second, and the CPU time until the end. The sender's
share of the two cores is told.
"""

import json
import os
import time

from fleet_load import FleetLoad
from measure import bar, tell
from series import JOB
from servers import Muster, wanted

HOSTS = int(os.environ.get("M1_HOSTS", "2000"))
MINUTES = float(os.environ.get("M1_MINUTES", "10"))
INTERVAL = int(os.environ.get("M1_INTERVAL", "30"))
RULES = int(os.environ.get("M1_RULES", "200"))
RULE_INTERVAL = 10
GROUP = 20
# Samples that are made and compressed in a second, with room: the first ones are due after all are made.
MAKING_RATE = 300_000
BAR = 2_000
EXPRESSIONS = [
    "node_load1 > {}",
    "node_load5 / on (instance) group_left () count by (instance) (node_cpu_seconds_total{{mode=\"idle\"}}) > {}",
    "100 * node_filesystem_avail_bytes{{fstype!=\"tmpfs\"}} / node_filesystem_size_bytes < -{}",
    "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < -{}",
    "sum by (instance) (rate(node_cpu_seconds_total{{mode=\"iowait\"}}[2m])) > {}",
    "rate(node_vmstat_pgmajfault[2m]) > {}",
    "increase(node_network_receive_errs_total{{device=\"eth0\"}}[2m]) > {}",
    "rate(node_disk_io_time_seconds_total{{device=\"nvme0n1\"}}[2m]) > {}",
    "node_filesystem_readonly == -{}",
    "max by (zone) (node_hwmon_temp_celsius) > {}",
]


def rules() -> str:
    """Groups of 20 rules, each with a threshold of its own that is never reached."""
    text = "groups:\n"
    for number in range(RULES):
        if number % GROUP == 0:
            text += f"  - name: group-{number // GROUP}\n    interval: {RULE_INTERVAL}s\n    rules:\n"
        expression = EXPRESSIONS[number % len(EXPRESSIONS)].format(10**18 + number)
        text += f"      - alert: Rule{number}\n        expr: '{expression}'\n"
    return text


def rule_state(server: Muster) -> tuple[int, int, float]:
    """Evaluations of groups that were left out, rules in error, seconds that one evaluation of all takes."""
    groups = json.loads(server.ask("GET", "/api/v1/rules"))["data"]["groups"]
    errors = sum(rule["health"] != "ok" for group in groups for rule in group["rules"])
    return sum(group["missedIterations"] for group in groups), errors, sum(group["evaluationTime"] for group in groups)


def watched(server: Muster, until: float) -> float:
    """The largest resident size in MB."""
    largest = 0.0
    while time.time() < until:
        if not server.process.is_running():
            raise RuntimeError("the coordinator ended")
        largest = max(largest, server.rss / 1e6)
        time.sleep(1)
    return largest


def run(scratch: str) -> None:
    if not wanted(Muster.name):
        return
    ticks = round(MINUTES * 60 / INTERVAL)
    seconds_to_make = HOSTS * 500 * ticks / MAKING_RATE
    load = FleetLoad(scratch, HOSTS, ticks, INTERVAL, start=time.time() + seconds_to_make + 10)
    path = load.file()
    if time.time() > load.start:
        raise RuntimeError("the samples were made too late: choose fewer hosts with M1_HOSTS")
    with Muster(scratch, rules()) as server:
        measure(server, load, path)


def measure(server: Muster, load: FleetLoad, path: str) -> None:
    sending = server.sending(path, is_paced=True)
    try:
        largest = watched(server, load.start + INTERVAL)
        begun, before, missed_before = time.time(), server.cpu, rule_state(server)[0]
        largest = max(largest, watched(server, load.end))
        used, passed = server.cpu - before, time.time() - begun
        missed, errors, evaluation = rule_state(server)
    finally:
        if sending.poll() is None and time.time() < load.end:
            sending.kill()
    sent = server.sent(sending, INTERVAL * 2)
    load.wait(server)
    if (found := server.number(f'count({{job="{JOB}"}})', load.end)) != load.series:
        raise RuntimeError(f"{found:.0f} of {load.series} series are there")
    tell("M1 million.memory", f"{largest:.0f} MB at most", bar(f"<= {BAR} MB", largest <= BAR),
         f"{load.series} series, each every {load.interval} s, {MINUTES:g} minutes")
    tell("M1 million.cpu", f"{used / passed * 100:.1f} % of a core",
         bar("no evaluation left out, none failed", missed == missed_before and errors == 0),
         f"{missed - missed_before} left out, {errors} rules in error, {RULES} rules every {RULE_INTERVAL} s,"
         f" {evaluation:.2f} s for all",
         f"{load.samples / (load.end - load.start):.0f} samples/s, at most {sent.latest:.1f} s late",
         f"sender {sent.cpu / sent.seconds * 100:.1f} % of a core")
