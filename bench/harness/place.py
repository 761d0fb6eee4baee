"""Where a run takes place: a temporary directory, cores, ports, the programs that were built, and files made ready."""

import contextlib
import os
import pwd
import resource
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
TOKEN = "T" * 140
"""As long as WeChat's."""

PORTS = ("TLS", "CLEAR", "TROUBLE", "TROUBLE_CONTROL")
"""Where the upstream listens."""

BODIES = {"32k": 32 << 10, "1m": 1 << 20}
"""Bodies that the upstream serves, by the last part of their path, in bytes."""


@dataclass
class Place:
    """What all programs are told."""

    directory: Path
    target: Path
    """Cargo's directory with the release builds."""
    proxy_cores: set[int]
    """One core, which the proxy in turn has for itself."""
    load_cores: set[int]
    """The others: callers and upstream."""
    files: int
    """How many files a process may have open."""
    ports: dict[str, int] = field(default_factory=dict)

    def write(self, name: str, to: str | None = None, **values: object) -> Path:
        """A file of bench/conf with its @NAMES@ filled in."""
        values = {
            "DIRECTORY": self.directory, "TOKEN": TOKEN, "FILES": self.files, "CONNECTIONS": self.files,
            "PAIRS": self.pairs(),
            "USER": f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else "", "WORKERS": 1,
            **self.ports, **values,
        }  # fmt: skip
        text = (BENCH / "conf" / name).read_text()
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        path = self.directory / (to or name)
        path.write_text(text)
        return path

    def pairs(self) -> int:
        """How many callers' connections a process can have, when each comes with one to the upstream."""
        return self.files // 2 - 200

    def wxgate(self) -> str:
        """The program itself; WXGATE names another build of it, to hold two against each other."""
        return os.environ.get("WXGATE") or str(self.target / "release/wxgate")

    def tool(self, name: str) -> str:
        """A program of bench/tools."""
        return str(self.target / "release" / name)


@contextlib.contextmanager
def prepared() -> Iterator[Place]:
    """A place with certificates and bodies in it, gone afterwards."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("two cores are needed at least: one for the proxy, one for callers and upstream")
    target = Path(os.environ.get("CARGO_TARGET_DIR", BENCH.parent / "target"))
    with tempfile.TemporaryDirectory(prefix="wxgate-bench-") as directory:
        place = Place(Path(directory), target, {cores[0]}, set(cores[1:]), open_files())
        place.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        make_certificate(place)
        make_bodies(place)
        place.write("temporary.conf")
        (place.directory / "temporary").mkdir()
        yield place


def open_files() -> int:
    """Raises the limit as far as this user may: 10,000 callers' connections come with as many to the upstream."""
    wanted = 65536
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
        return wanted
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def make_certificate(place: Place) -> None:
    """certificate.pem, private-key.pem and ca.pem, for localhost."""
    command = [place.wxgate(), "certificate", "--host", "localhost", "--days", "2", "--directory", str(place.directory)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def make_bodies(place: Place) -> None:
    """Files that the upstream serves."""
    folder = place.directory / "bodies/cgi-bin/media"
    folder.mkdir(parents=True)
    for name, size in BODIES.items():
        (folder / name).write_bytes(b"\x89PNG" + os.urandom(size - 4))
