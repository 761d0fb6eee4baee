"""Callers: as fast as they can (wrk), or at a fixed rate (bench/tools' pace)."""

import json
import os
import subprocess
from dataclasses import dataclass

from harness.place import BENCH, Place
from harness.programs import PATH, Target


@dataclass
class Load:
    """What a turn of callers got."""

    requests: int
    seconds: float
    errors: int
    cpu: float
    """Seconds that the program used meanwhile."""
    p50: float
    """Microseconds, like those below."""
    p99: float
    p999: float = 0.0
    longest: float = 0.0


def full_speed(
    place: Place, target: Target, seconds: float, path: str = PATH, connections: int = 64,
    body: int = 0, accounts: int = 0, cores: set[int] | None = None,
) -> Load:  # fmt: skip
    """Each connection sends its next request when the answer is in. `body` bytes go up with each, if not 0."""
    url = f"http://127.0.0.1:{target.port}{target.path(path)}"
    command = ["wrk", "--threads", "1", "--connections", str(connections), "--timeout", "30s"]
    command += ["--duration", f"{seconds:.0f}s", "--script", str(BENCH / "load.lua"), url]
    environment = {"BODY": str(body), "ACCOUNTS": str(accounts)}
    return measured(target, command, cores or place.load_cores, seconds, environment)


def fixed_rate(place: Place, target: Target, seconds: float, rate: int, connections: int = 64, path: str = PATH) -> Load:
    """`rate` requests a second over all connections, whatever becomes of those before."""
    return measured(target, pace(place, target, seconds, rate, connections, path), place.load_cores, seconds, {})


def pace(place: Place, target: Target, seconds: float, rate: int, connections: int, path: str = PATH) -> list[str]:
    """The command."""
    return [place.tool("pace"), *map(str, (target.port, rate, connections, seconds)), target.path(path)]


def measured(target: Target, command: list[str], cores: set[int], seconds: float, environment: dict) -> Load:
    before = target.program.cpu() if target.program else 0.0
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=seconds + 120,
        env={**os.environ, **environment}, preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )  # fmt: skip
    cpu = target.program.cpu() - before if target.program else 0.0
    return read(done.stdout, cpu)


def read(output: str, cpu: float) -> Load:
    """Both kinds of callers end with a line of JSON."""
    figures = json.loads(output.strip().splitlines()[-1])
    figures.pop("bytes", None)
    return Load(cpu=cpu, **figures)
