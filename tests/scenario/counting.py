"""A server in front of the server that counts what goes through it: requests by route, and the bytes of both directions."""

from __future__ import annotations

import math
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


class Requests:
    """The routes of the requests that one connection carries. A WebSocket is a request, too: `GET /connect`; what follows is none."""

    def __init__(self) -> None:
        self.head = b""  # the beginning of one
        self.body_left: float = 0

    def routes(self, data: bytes) -> list[str]:
        found = []
        while data:
            if self.body_left:
                passed = int(min(self.body_left, len(data)))
                data, self.body_left = data[passed:], self.body_left - passed
                continue
            head, end, data = (self.head + data).partition(b"\r\n\r\n")
            self.head = b"" if end else head
            if end:
                found.append(route_of(head))
                length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                self.body_left = math.inf if b"\r\nupgrade:" in head.lower() else int(length[1]) if length else 0
        return found


class Counting(Refusing):
    """For clients that send a request when the one before was answered, as kith does."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.up = self.down = 0  # bytes

    def pipe(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        requests = Requests()
        with suppress(OSError):
            while data := one.recv(65536):
                with self.lock:
                    self.requests.update(requests.routes(data) if asks else [])
                    self.up += len(data) if asks else 0
                    self.down += 0 if asks else len(data)
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
