"""A server in front of the server that counts what goes through it: requests by route, and the bytes of both directions."""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from contextlib import suppress

from refusing import Refusing

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def route_of(head: bytes) -> str:
    """The method and the path of a request, its ids and its query left out."""
    method, target = head.split(b" ", 2)[:2]
    return f"{method.decode()} {ID.sub('{id}', target.decode().split('?')[0])}"


class Counting(Refusing):
    """For clients that open a connection for each request, as kith does. A WebSocket is a request, too: `GET /connect`."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.up = self.down = 0  # bytes

    def pipe(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        is_first = True
        with suppress(OSError):
            while data := one.recv(65536):
                with self.lock:
                    self.requests.update([route_of(data)] if asks and is_first else [])
                    self.up += len(data) if asks else 0
                    self.down += 0 if asks else len(data)
                is_first = False
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def take(self) -> tuple[Counter[str], int, int]:
        """What came since it was asked last: requests, bytes up, bytes down."""
        with self.lock:
            taken = (self.requests, self.up, self.down)
            self.requests, self.up, self.down = Counter(), 0, 0
        return taken
