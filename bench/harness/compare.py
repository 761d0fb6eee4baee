"""bench/compare.sh: what wxgate costs beside nginx, nginx with Lua, HAProxy and a relay that knows no HTTP."""

import argparse
import contextlib
import signal
import sys
from dataclasses import dataclass

from harness import idle, machine, trouble
from harness.load import Load, fixed_rate, full_speed
from harness.place import BODIES, Place, prepared
from harness.programs import ALL, DIRECT, LOGGING, NGINX, RELAY, Target, started, upstream
from harness.table import number, table
from harness.turns import Figures, Turns, added, interleaved, median, ratio


@dataclass
class Plan:
    """How long to measure."""

    rounds: int
    body_rounds: int
    latency_rounds: int
    seconds: float
    rate: int
    connections: int
    """Idle ones."""
    trouble_seconds: float


FULL = Plan(rounds=20, body_rounds=8, latency_rounds=8, seconds=1, rate=2000, connections=2000, trouble_seconds=12)
QUICK = Plan(rounds=5, body_rounds=2, latency_rounds=2, seconds=1, rate=2000, connections=500, trouble_seconds=5)

UPLOAD = 1 << 20


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/compare.sh", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about two minutes instead of eight, and rougher")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="a part of it; may stand there several times")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else FULL
    # So that `with` ends what runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with prepared() as place, upstream(place) as direct:
        machine.describe(place)
        for name in arguments.only or SECTIONS:
            SECTIONS[name](place, direct, plan)


def small(place: Place, _: Target, plan: Plan) -> None:
    """A GET whose answer has 27 bytes, from 64 connections."""
    programs = (*ALL, LOGGING)
    with all_started(place, programs) as targets:
        turns = interleaved(targets, plan.rounds, lambda target: of_request(full_speed(place, target, plan.seconds)))
    rows = [
        [
            name,
            number(median(turns[name], "cpu"), 1),
            number(ratio(turns, name, NGINX, "cpu"), 2),
            number(ratio(turns, name, RELAY, "cpu"), 2),
            number(median(turns[name], "rate")),
            number(ratio(turns, name, NGINX, "rate"), 2),
            number(100 * median(turns[name], "busy")),
            number(total_errors(turns, name)),
        ]
        for name in programs
    ]
    head = ["program", "CPU µs a request", "÷ nginx", "÷ relay", "requests a second", "÷ nginx", "core busy, %", "errors"]
    table("A small request, 64 connections", head, rows)


def bodies(place: Place, _: Target, plan: Plan) -> None:
    """Large answers and requests."""
    kinds = [(f"{name} down", f"/cgi-bin/media/{name}", 0, size) for name, size in BODIES.items()]
    kinds.append(("1m up", "/cgi-bin/media/upload", UPLOAD, UPLOAD))
    rows = {name: [name] for name in ALL}
    for title, path, body, size in kinds:
        with all_started(place) as targets:
            turns = interleaved(
                targets, plan.body_rounds,
                lambda target, path=path, body=body, size=size: of_gigabyte(
                    full_speed(place, target, plan.seconds, path, 16, body), size
                ),
            )  # fmt: skip
        for name in ALL:
            rows[name] += [number(median(turns[name], "cpu"), 2), number(ratio(turns, name, NGINX, "cpu"), 2)]
            if errors := total_errors(turns, name):
                rows[name][-1] += f" ({errors} errors)"
    head = ["program"] + [cell for title, *_ in kinds for cell in (f"{title}: CPU s a GB", "÷ nginx")]
    table("Bodies, 16 connections", head, list(rows.values()))


def latency(place: Place, direct: Target, plan: Plan) -> None:
    """What a program adds to the time that an answer takes."""
    with all_started(place) as targets:
        turns = interleaved(
            [direct, *targets], plan.latency_rounds,
            lambda target: of_time(fixed_rate(place, target, plan.seconds + 1, plan.rate)),
        )  # fmt: skip
    rows = []
    for name in ALL:
        more = {figure: added(turns, DIRECT, figure) for figure in PERCENTILES}
        cells = [number(median(more[figure][name], figure)) for figure in PERCENTILES]
        cells.append(number(ratio(more["p50"], name, NGINX, "p50"), 2))
        rows.append([name, *cells, number(total_errors(turns, name))])
    plain = ", ".join(f"{label} {number(median(turns[DIRECT], figure))}" for figure, label in PERCENTILES.items())
    table(
        f"Latency added to a direct call, {plan.rate:,} requests a second over 64 connections",
        ["program", *(f"{label}, µs" for label in PERCENTILES.values()), "p50 ÷ nginx", "errors"],
        rows,
        f"A direct call in clear takes (µs): {plain}.",
    )


def memory(place: Place, _: Target, plan: Plan) -> None:
    """At start and of an idle connection."""
    rows = []
    for name in ALL:
        if name == RELAY:
            continue  # it has an upstream connection for each of the callers'
        bytes_of = idle.memory(place, name, plan.connections)
        silent, used = (number(bytes_of[when] / 1024, 1) for when in ("silent", "used"))
        rows.append([name, number(bytes_of["start"] / 2**20, 1), silent, used])
    head = ["program", "at start, MiB", "connection before its first request, KiB", "connection after a request, KiB"]
    table(f"Memory (PSS) with {plan.connections:,} idle connections", head, rows)


def under_trouble(place: Place, _: Target, plan: Plan) -> None:
    """Whether anybody waits for somebody else's trouble."""
    trouble.measure(place, plan.trouble_seconds)


@contextlib.contextmanager
def all_started(place: Place, programs: tuple[str, ...] = ALL):
    """These programs at once, each asleep until its turn comes."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(started(place, name)) for name in programs]


def of_request(load: Load) -> Figures:
    requests = max(load.requests, 1)
    return {
        "cpu": load.cpu / requests * 1e6,
        "rate": load.requests / load.seconds,
        "busy": load.cpu / load.seconds,
        "errors": load.errors,
    }


def of_gigabyte(load: Load, size: int) -> Figures:
    return {"cpu": load.cpu / max(load.requests, 1) / size * 1e9, "errors": load.errors}


PERCENTILES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}


def of_time(load: Load) -> Figures:
    return {"p50": load.p50, "p99": load.p99, "p999": load.p999, "errors": load.errors}


def total_errors(turns: Turns, name: str) -> int:
    return int(sum(turn.figures["errors"] for turn in turns[name]))


SECTIONS = {"small": small, "bodies": bodies, "latency": latency, "memory": memory, "trouble": under_trouble}

if __name__ == "__main__":
    main()
