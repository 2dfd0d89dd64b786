"""Runs the benchmarks named on the command line, or all, against the real binaries, and prints one line per figure.

A figure is a ratio or a count measured beside a peer in the same run: CPU time, bytes and counts, never wall time
(P8 and P13 are the exceptions, their subject is time). A bar that is missed is printed, and the exit code stays 0; the
exit code is 1 only when a benchmark could not be carried out.
"""

import datetime
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import traceback

import m1_million
import p1_logs
import p13_restart
import p14_promql
import p2_logs
import p3_wire
import p4_ingest
import p5_memory
import p6_rest
import p7_agent
import p8_visible
import r1_kills
from fleet import Unavailable

BENCHMARKS = {
    "P1": p1_logs, "P2": p2_logs, "P3": p3_wire, "P4": p4_ingest, "P5": p5_memory, "P6": p6_rest, "P7": p7_agent, "P8": p8_visible,
    "P13": p13_restart, "P14": p14_promql, "M1": m1_million, "R1": r1_kills}


def commit() -> str:
    here = os.path.dirname(os.path.abspath(__file__))

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", here, *arguments], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    name = git("rev-parse", "--short=12", "HEAD")
    if not name:
        return "none"
    return name + (" and changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def header() -> None:
    model = "unknown CPU"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    now = datetime.datetime.now(datetime.timezone.utc)
    print(f"# {now:%Y-%m-%d %H:%M} UTC, commit {commit()}")
    print(f"# {os.cpu_count()} x {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}")


def main() -> int:
    wanted = [name.upper() for name in sys.argv[1:]] or list(BENCHMARKS)
    strangers = [name for name in wanted if name not in BENCHMARKS]
    if strangers:
        print(f"there is no benchmark {', '.join(strangers)}; there are {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 1
    header()
    failed = False
    for name in wanted:
        scratch = tempfile.mkdtemp(prefix=f"muster-bench-{name.lower()}-")
        try:
            BENCHMARKS[name].run(scratch)
        except Unavailable as reason:
            print(f"{name} skipped: {reason}")
            failed = failed or os.environ.get("MUSTER_REQUIRE_PEERS") == "1"
        except Exception:
            traceback.print_exc()
            print(f"{name} could not be measured; its files are in {scratch}")
            failed = True
            continue
        if os.environ.get("KEEP") == "1":
            print(f"{name} left its files in {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
