"""The upstream, and every program that is measured in front of it."""

import contextlib
import http.client
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.place import TOKEN, Place, free_ports
from harness.processes import Program, running, until

PATH = "/cgi-bin/user/info?openid=oZ1y26dV7mHOJcaRP3lWzVUwgkD8"
ANSWER = b'{"errcode":0,"errmsg":"ok"}'

NGINX, LUA, HAPROXY, RELAY, WXGATE = "nginx", "nginx + Lua", "HAProxy", "byte relay", "wxgate"
LOGGING = "wxgate, a line a request"
DIRECT = "direct"
ALL = (NGINX, LUA, HAPROXY, RELAY, WXGATE)


@dataclass
class Target:
    """Something that answers calls. `program` is `None` for the upstream itself, asked in clear."""

    name: str
    port: int
    program: Program | None

    def path(self, path: str) -> str:
        """A path as a caller of this program writes it: where nobody puts the token in, it does so itself."""
        if self.name not in (DIRECT, RELAY):
            return path
        return f"{path}{'&' if '?' in path else '?'}access_token={TOKEN}"


@contextlib.contextmanager
def upstream(place: Place) -> Iterator[Target]:
    """The stand-in for WeChat, on the callers' cores."""
    config = place.write("upstream.conf")
    command = ["nginx", "-e", f"{place.directory}/upstream.log", "-c", str(config)]
    with running("upstream", command, place.load_cores, place.directory / "upstream.out") as program:
        target = Target(DIRECT, place.ports["CLEAR"], None)
        until(lambda: does_its_job(target), "the upstream", program)
        yield target


@contextlib.contextmanager
def started(place: Place, name: str, **options: object) -> Iterator[Target]:
    """One of [`COMMANDS`], ready and seen to do its job."""
    port, admin = free_ports(2)
    cores = place.proxy_cores
    if options.get("WORKERS", 1) != 1:
        cores = place.proxy_cores | place.load_cores
    command = COMMANDS[name](place, {"PORT": port, "ADMIN": admin, **options})
    log = place.directory / f"{name}-{port}.log"
    with running(name, command, cores, log) as program:
        target = Target(name, port, program)
        try:
            if name in (WXGATE, LOGGING):
                until(lambda: is_ready(admin), name, program)
            until(lambda: does_its_job(target), name, program)
        except SystemExit:
            print(log.read_text()[-2000:])
            raise
        yield target


def nginx(place: Place, options: dict) -> list[str]:
    config = place.write("nginx.conf", **options)
    return ["nginx", "-e", f"{place.directory}/nginx.log", "-c", str(config)]


def lua(place: Place, options: dict) -> list[str]:
    place.write("lua-upstream.conf")
    config = place.write("lua.conf", **options)
    return ["nginx", "-e", f"{place.directory}/lua.log", "-c", str(config)]


def haproxy(place: Place, options: dict) -> list[str]:
    return ["haproxy", "-db", "-f", str(place.write("haproxy.cfg", **options))]


def relay(place: Place, options: dict) -> list[str]:
    ports = [str(options["PORT"]), str(place.ports["TLS"])]
    return [place.tool("relay"), *ports, f"{place.directory}/ca.pem"]


def wxgate(place: Place, options: dict) -> list[str]:
    """`more` is text to add to the configuration."""
    options = {"UPSTREAM": place.ports["TLS"], **options}
    config = place.write("wxgate.toml", to=f"wxgate-{options['PORT']}.toml", **options)
    with config.open("a") as text:
        text.write(str(options.get("more", "")))
    return [place.wxgate(), "--config", str(config)]


def logging(place: Place, options: dict) -> list[str]:
    return wxgate(place, {**options, "more": '\n[log]\naccess = "all"\n'})


COMMANDS: dict[str, Callable[[Place, dict], list[str]]] = {
    NGINX: nginx, LUA: lua, HAPROXY: haproxy, RELAY: relay, WXGATE: wxgate, LOGGING: logging,
}  # fmt: skip


def is_ready(admin: int) -> bool:
    """Whether wxgate has its tokens."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        with urllib.request.urlopen(f"http://127.0.0.1:{admin}/readyz", timeout=5) as answer:
            return answer.status == 200
    return False


def does_its_job(target: Target) -> bool:
    """Whether the answer comes, which the upstream gives to the right token alone."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(http.client.HTTPException):
        connection.request("GET", target.path(PATH))
        answer = connection.getresponse()
        return answer.status == 200 and answer.read() == ANSWER
    return False
