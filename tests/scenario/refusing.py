"""A server in front of the server that passes everything on but the requests that it is told to refuse."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from urllib.parse import urlsplit

ANSWER = b"""HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: 58\r
Connection: close\r\n\r\n{"status":503,"code":"UNAVAILABLE","title":"Not just now"}"""
assert len(ANSWER.split(b"\r\n\r\n")[1]) == 58


class Refusing:
    """Refuses what begins with one of `refused`, as b"PATCH /chats"; `url` is where it is."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.server = (str(parts.hostname), int(parts.port or 80))
        self.refused: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self) -> Refusing:
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.listener.close()

    def accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.server)
                threading.Thread(target=self.pipe, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self.pipe, args=(server, client, False), daemon=True).start()

    def pipe(self, one: socket.socket, other: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if asks and any(data.startswith(refused) for refused in self.refused):
                    one.sendall(ANSWER)
                    break
                other.sendall(data)
        for end in (one, other):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
