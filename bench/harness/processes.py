"""Programs under measurement: started on cores of their own, ended by their id whatever happens, and what they cost."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 60.0
"""Seconds that a program may take to start, on a machine that has other things to do as well."""

PR_SET_PDEATHSIG = 1
CPUCLOCK_SCHED = 2


class Program:
    """A running program and the processes that it starts."""

    def __init__(self, name: str, process: subprocess.Popen):
        self.name = name
        self.process = process

    def processes(self) -> list[int]:
        """The program's process and those below it."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            with contextlib.suppress(OSError):
                for task in Path(f"/proc/{pid}/task").iterdir():
                    todo += map(int, (task / "children").read_text().split())
        return found

    def cpu(self) -> float:
        """Seconds of CPU so far, over all processes and threads, ended threads too."""
        return sum(map(process_clock, self.processes()))

    def cpu_of_threads(self, prefix: str) -> dict[str, float]:
        """Seconds of CPU so far of each thread whose name begins so."""
        seconds = {}
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if (task / "comm").read_text().startswith(prefix):
                seconds[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
        return seconds

    def memory(self) -> int:
        """Bytes: the proportional set size over all processes. What the kernel holds for sockets is not in it."""
        return sum(map(proportional_set_size, self.processes()))


def process_clock(pid: int) -> float:
    """A process's CPU clock in seconds, to the nanosecond; clock_getcpuclockid(3) makes the number in this way."""
    return time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED)


def proportional_set_size(pid: int) -> int:
    """Bytes."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextlib.contextmanager
def running(name: str, command: list[str], cores: set[int], log: Path) -> Iterator[Program]:
    """A program for the length of a `with` block."""

    def in_the_child() -> None:
        os.sched_setaffinity(0, cores)
        # Should this harness be killed, the program ends too.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=in_the_child
        )
    program = Program(name, process)
    try:
        yield program
    finally:
        end(program)


def end(program: Program) -> None:
    """Asks the program to end, and insists after five seconds."""
    members = program.processes()
    program.process.terminate()
    try:
        program.process.wait(5)
    except subprocess.TimeoutExpired:
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        program.process.wait()


def until(ready: Callable[[], bool], what: str, program: Program | None = None, patience: float = PATIENCE) -> None:
    """Waits until `ready` says so."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(OSError):
            if ready():
                return
        if program is not None and program.process.poll() is not None:
            raise SystemExit(f"{what}: {program.name} has ended with {program.process.returncode}")
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {patience:.0f} s")
        time.sleep(0.02)
