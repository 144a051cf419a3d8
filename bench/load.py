"""A load generator: `python -m bench.load PORT SECONDS CONNECTIONS PATH...`.

Prints answers a second. Raw sockets on one selector: it spends about a tenth of what a Flask
process spends on an answer, so it is not what limits the figure. It checks that every answer is
a 200 and reads it to its end.
"""

import itertools
import selectors
import socket
import sys
import time
from collections.abc import Iterator


class Connection:
    """One request at a time on a kept-alive connection."""

    def __init__(self, port: int, requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self._buffer = b""

    def ask(self) -> None:
        """Sends the next request."""
        self.socket.sendall(next(self._requests))

    def answered(self) -> bool:
        """Reads what is there; whether the answer is complete."""
        self._buffer += self.socket.recv(65536)
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not 200: {head[:80]!r}")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return False
        self._buffer = b""
        return True


def run(port: int, seconds: float, connections: int, paths: list[str]) -> float:
    """Answers a second over `seconds`, after half a second of warming up."""
    requests = itertools.cycle(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode() for path in paths
    )
    begun = time.perf_counter() + 0.5
    end = begun + seconds
    answers = 0
    with selectors.DefaultSelector() as selector:
        for _ in range(connections):
            connection = Connection(port, requests)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.ask()
        while (now := time.perf_counter()) < end:
            for key, _ in selector.select(1):
                if key.data.answered():
                    answers += now >= begun
                    key.data.ask()
    return answers / seconds


if __name__ == "__main__":
    port, seconds, connections, *paths = sys.argv[1:]
    print(run(int(port), float(seconds), int(connections), paths))
