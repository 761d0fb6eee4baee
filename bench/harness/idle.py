"""What callers' connections cost that are only kept."""

import socket
import time
from contextlib import ExitStack

from harness.place import Place
from harness.programs import PATH, Target, started

# wxgate takes connections apart that have been idle for a second; what is asked here is how those are kept that stay idle.
REST = 2


def memory(place: Place, name: str, connections: int) -> dict[str, float]:
    """Bytes of a fresh program: at its start, and of each connection before and after its first request."""
    with started(place, name) as target:
        empty = settled(target)
        with ExitStack() as stack:
            opened = [stack.enter_context(socket.create_connection(("127.0.0.1", target.port))) for _ in range(connections)]
            silent = settled(target)
            for connection in opened:
                ask(connection, target)
            time.sleep(REST)
            used = settled(target)
    return {
        "start": empty,
        "silent": (silent - empty) / connections,
        "used": (used - empty) / connections,
    }


def ask(connection: socket.socket, target: Target) -> None:
    """One request and its answer."""
    connection.sendall(f"GET {target.path(PATH)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    connection.settimeout(30)
    answer = b""
    while not answer.endswith(b"}"):
        answer += connection.recv(4096)


def settled(target: Target) -> int:
    """Bytes, once the program has nothing left to do."""
    before = -1
    while before != (now := target.program.memory()):
        before = now
        time.sleep(0.3)
    return now
