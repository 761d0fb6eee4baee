"""Whether anybody waits for somebody else's trouble: a refresh, a heal, a stuck upstream connection.

Two accounts on one worker: one is in trouble, and the other one's callers must not notice.
"""

import contextlib
import os
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from harness.load import Load, pace, read
from harness.place import Place
from harness.programs import PATH, WXGATE, Target, started
from harness.table import number, table

RATE = 500
"""Requests a second for each of the two accounts."""

FETCH = 0.5
"""Seconds that the token endpoint takes for the account in trouble."""

TROUBLED = "wx0000000000000main"

MORE = """
[[account]]
name = "calm"
appid = "wx0000000000000calm"
secret = "0123456789abcdef0123456789abcdef"
"""


@dataclass
class Trouble:
    """What goes wrong."""

    title: str
    settings: dict[str, float] = field(default_factory=dict)
    """Of the upstream, from before wxgate starts."""
    meanwhile: Callable[[Place, Target], AbstractContextManager] = lambda *_: contextlib.nullcontext()


def measure(place: Place, seconds: float) -> None:
    """Prints the table."""
    rows = []
    for trouble in TROUBLES:
        control(place, "reset")
        for name, value in trouble.settings.items():
            control(place, f"set?name={name}/{TROUBLED}&value={value}")
        with started(place, WXGATE, UPSTREAM=place.ports["TROUBLE"], more=MORE) as target:
            with trouble.meanwhile(place, target):
                loads = calls(place, target, seconds)
        for account, load in zip(("in trouble", "the other"), loads, strict=True):
            times = [number(value / 1000, 2) for value in (load.p50, load.p99, load.p999, load.longest)]
            rows.append([trouble.title, account, *times, number(load.requests), number(load.errors)])
    table(
        f"Latency of wxgate under trouble, {RATE} requests a second for each of two accounts",
        ["trouble", "account", "p50, ms", "p99, ms", "p99.9, ms", "longest, ms", "requests", "errors"],
        rows,
        f"Whole times, not what was added. The token endpoint takes {FETCH} s for the account in trouble.",
    )


def calls(place: Place, target: Target, seconds: float) -> list[Load]:
    """Of both accounts at the same time."""
    with contextlib.ExitStack() as stack:
        callers = []
        for account in ("main", "calm"):
            command = pace(place, target, seconds, RATE, 32, f"/@{account}{PATH}")
            caller = subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True,
                preexec_fn=lambda: os.sched_setaffinity(0, place.load_cores),
            )  # fmt: skip
            stack.callback(caller.kill)
            callers.append(caller)
        return [read(caller.communicate(timeout=seconds + 90)[0], 0.0) for caller in callers]


@contextlib.contextmanager
def dying_tokens(place: Place, _: Target) -> Iterator[None]:
    """Every two seconds WeChat forgets the token."""
    over = threading.Event()

    def kill() -> None:
        while not over.wait(2):
            control(place, f"kill?appid={TROUBLED}")

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        over.set()
        killer.join()


@contextlib.contextmanager
def a_stuck_call(_: Place, target: Target) -> Iterator[None]:
    """One call is never answered."""
    with socket.create_connection(("127.0.0.1", target.port)) as caller:
        caller.sendall(b"GET /@main/cgi-bin/stuck HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield


def control(place: Place, order: str) -> None:
    """Tells the upstream what to do."""
    with urllib.request.urlopen(f"http://127.0.0.1:{place.ports['TROUBLE_CONTROL']}/control/{order}", timeout=10):
        pass


TROUBLES = (
    Trouble("none"),
    # Replaced after three quarters of its life, so a fetch is under way for 0.5 s in every 3.5 s.
    Trouble("a refresh now and then", {"life": 4, "fetch_seconds": FETCH}),
    Trouble("the token dies every 2 s", {"fetch_seconds": FETCH}, dying_tokens),
    Trouble("one upstream connection is stuck", {}, a_stuck_call),
)
