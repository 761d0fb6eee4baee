"""What the figures were measured on, and with."""

import os
import platform
import subprocess
from pathlib import Path

from harness.place import Place


def describe(place: Place) -> None:
    """Prints it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    print(f"{model}, {cores} cores, {memory:.0f} GiB; Linux {platform.release()}; {system}; load {os.getloadavg()[0]:.1f}.")
    print(f"{first_line('nginx', '-v')}; {first_line('haproxy', '-v')}; {first_line('wrk', '-v')};")
    build = "of another build" if os.environ.get("WXGATE") else f"at {commit()}"
    print(f"{first_line('rustc', '--version')}; wxgate {build}, {size(place)}.", flush=True)


def first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    words = (done.stdout + done.stderr).splitlines()[0].removeprefix("nginx version: ").split()
    return " ".join(words[:3]).rstrip("(")


def commit() -> str:
    done = subprocess.run(
        ["git", "-C", Path(__file__).parent, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "an unknown commit"


def size(place: Place) -> str:
    return f"{Path(place.wxgate()).stat().st_size / 2**20:.1f} MiB"
