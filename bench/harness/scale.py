"""bench/scale.sh: how wxgate's cost grows with connections, accounts, bodies and cores, and whether it leaps anywhere."""

import argparse
import contextlib
import signal
import sys
import time
from pathlib import Path

from harness import machine
from harness.load import full_speed
from harness.place import Place, prepared
from harness.programs import NGINX, WXGATE, Target, started, upstream
from harness.table import number, table
from harness.turns import Figures, interleaved, median, ratio

CONNECTIONS = (1, 10, 100, 1_000, 10_000)
ACCOUNTS = (1, 10, 100, 1_000, 10_000)
SIZES = {"1 kB": 10**3, "10 kB": 10**4, "100 kB": 10**5, "1 MB": 10**6, "10 MB": 10**7, "64 MB": 64 * 10**6}
FEW = (2, 4, 8, 16, 64)
"""Callers' connections that have to spread over the workers."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/scale.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter turns, and rougher")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="a part of it; may stand there several times")
    arguments = parser.parse_args()
    # So that `with` ends what runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with prepared() as place, upstream(place):
        machine.describe(place)
        for name in arguments.only or SECTIONS:
            SECTIONS[name](place, 1 if arguments.quick else 3)


def connections(place: Place, rounds: int) -> None:
    """Callers' connections that all have a request under way."""
    rows = []
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context(started(place, name)) for name in (NGINX, WXGATE)]
        for wanted in CONNECTIONS:
            count = min(wanted, place.pairs())

            def measure(target: Target, count: int = count) -> Figures:
                load = full_speed(place, target, 2 + count / 5_000, connections=count)
                requests = max(load.requests, 1)
                figures = {"cpu": load.cpu / requests * 1e6, "rate": requests / load.seconds, "p99": load.p99 / 1e3}
                return {**figures, "errors": load.errors, "memory": target.program.memory()}

            interleaved(targets, 1, measure)  # whose connections to the upstream are still new
            turns = interleaved(targets, rounds, measure)
            ours = [median(turns[WXGATE], figure) for figure in ("cpu", "rate", "p99", "memory", "errors")]
            rows.append([
                number(count), number(ours[0], 1), number(ratio(turns, WXGATE, NGINX, "cpu"), 2), number(ours[1]),
                number(ratio(turns, WXGATE, NGINX, "rate"), 2), number(ours[2], 1),
                number(median(turns[NGINX], "p99"), 1), number(ours[3] / 2**20, 1), number(ours[4]),
            ])  # fmt: skip
    head = ["connections", "CPU µs a request", "÷ nginx", "requests a second", "÷ nginx", "p99, ms", "nginx's p99, ms"]
    table("More connections, each with a request under way", [*head, "memory after it, MiB", "errors"], rows)


def accounts(place: Place, rounds: int) -> None:
    """Accounts, each called in turn."""
    rows = []
    for count in ACCOUNTS:
        before = time.monotonic()
        with started(place, WXGATE, more=configured(count)) as target:
            ready, memory = time.monotonic() - before, target.program.memory()
            loads = [full_speed(place, target, 2, accounts=count) for _ in range(rounds)]
        cpu = min(load.cpu / max(load.requests, 1) * 1e6 for load in loads)
        errors = sum(load.errors for load in loads)
        rows.append([number(count), number(ready, 1), number(memory / 2**20, 1), number(cpu, 1), number(errors)])
    head = ["accounts", "s until all have a token", "memory then, MiB", "CPU µs a request, lowest", "errors"]
    table("More accounts", head, rows)


def configured(count: int) -> str:
    """So many accounts, besides the one that is there."""
    account = '[[account]]\nname = "a{n}"\nappid = "wx{n:016}"\nsecret = "0123456789abcdef0123456789abcdef"\n'
    return "".join(account.format(n=number) for number in range(1, count + 1))


def bodies(place: Place, rounds: int) -> None:
    """Large answers and large requests, from four connections."""
    folder = place.directory / "bodies/cgi-bin/media"
    rows = []
    with contextlib.ExitStack() as stack:
        targets = [stack.enter_context(started(place, name)) for name in (NGINX, WXGATE)]
        for title, size in SIZES.items():
            (folder / str(size)).write_bytes(b"\x89PNG".ljust(size, b"x"))
            row = [title]
            for path, up in ((f"/cgi-bin/media/{size}", 0), ("/cgi-bin/media/upload", size)):

                def measure(target: Target, path: str = path, up: int = up, size: int = size) -> Figures:
                    load = full_speed(place, target, 2 + size / 2e7, path, 4, up)
                    done = max(load.requests, 1)
                    return {"cpu": load.cpu / done * 1e6, "gigabyte": load.cpu / done / size * 1e9, "errors": load.errors}

                turns = interleaved(targets, rounds, measure)
                row += [number(median(turns[WXGATE], "cpu")), number(median(turns[WXGATE], "gigabyte"), 2)]
                row.append(number(ratio(turns, WXGATE, NGINX, "cpu"), 2))
                row.append(number(sum(turn.figures["errors"] for turn in turns[WXGATE])))
            rows.append([*row, number(peak(targets[1]) / 2**20)])
    kinds = [f"{way}: {what}" for way in ("down", "up") for what in ("CPU µs", "CPU s a GB", "÷ nginx", "errors")]
    table("Larger bodies, 4 connections", ["body", *kinds, "wxgate's peak memory so far, MiB"], rows)


def peak(target: Target) -> int:
    """Bytes: the most that was resident at any time."""
    lines = Path(f"/proc/{target.program.process.pid}/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def cores(place: Place, rounds: int) -> None:
    """Workers on all cores, which callers and upstream use too."""
    most = len(place.proxy_cores | place.load_cores)
    counts = sorted({1, *(2**n for n in range(most.bit_length()) if 2**n <= most), most})
    rows = []
    with contextlib.ExitStack() as stack:
        for count in counts:
            targets = [stack.enter_context(started(place, name, WORKERS=count)) for name in (NGINX, WXGATE)]

            def measure(target: Target) -> Figures:
                load = full_speed(place, target, 2, cores=place.proxy_cores | place.load_cores)
                return {"cpu": load.cpu / max(load.requests, 1) * 1e6, "rate": load.requests / load.seconds}

            turns = interleaved(targets, rounds, measure)
            ours, rate = (median(turns[WXGATE], figure) for figure in ("cpu", "rate"))
            ratios = [number(ratio(turns, WXGATE, NGINX, figure), 2) for figure in ("cpu", "rate")]
            rows.append([number(count), number(ours, 1), ratios[0], number(rate), ratios[1]])
    head = ["workers", "CPU µs a request", "÷ nginx", "requests a second", "÷ nginx"]
    table("More workers; callers and upstream share their cores", head, rows)


def spread(place: Place, _: int) -> None:
    """Whether few callers' connections reach every worker."""
    workers = max(4, len(place.proxy_cores | place.load_cores))
    rows = []
    with started(place, WXGATE, WORKERS=workers) as target:
        for count in FEW:
            before = target.program.cpu_of_threads("worker-")
            full_speed(place, target, 2, connections=count)
            after = target.program.cpu_of_threads("worker-")
            used = sorted((after[thread] - before[thread] for thread in after), reverse=True)
            shares = [100 * seconds / sum(used) for seconds in used]
            rows.append([number(count), " ".join(number(share) for share in shares)])
    table(f"Few connections over {workers} workers", ["connections", "each worker's share of the work, %"], rows)


SECTIONS = {"connections": connections, "accounts": accounts, "bodies": bodies, "cores": cores, "spread": spread}

if __name__ == "__main__":
    main()
