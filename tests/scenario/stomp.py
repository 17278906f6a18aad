"""A raw STOMP 1.2 client over WebSocket: sends exactly the bytes it is told, and keeps every frame that comes."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field
from typing import Any

import websocket

DEADLINE_S = 30.0
_ESCAPES = {"\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c"}
_UNESCAPES = {"\\": "\\", "r": "\r", "n": "\n", "c": ":"}


@dataclass
class Frame:
    command: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def code(self) -> str:
        return self.headers.get("code", "")


class Closed(Exception):
    """The server closed: the WebSocket close code, or None for a connection that merely ended."""

    def __init__(self, code: int | None, reason: str = "") -> None:
        super().__init__(f"closed with {code} {reason}")
        self.code = code
        self.reason = reason


def encode(command: str, headers: dict[str, Any] | None = None, body: bytes | str = b"") -> bytes:
    raw = body.encode() if isinstance(body, str) else body
    lines = [command]
    for name, value in (headers or {}).items():
        text = str(value)
        if command not in ("CONNECT", "STOMP"):
            text = "".join(_ESCAPES.get(c, c) for c in text)
        lines.append(f"{name}:{text}")
    if raw and "content-length" not in (headers or {}):
        lines.append(f"content-length:{len(raw)}")
    return "\n".join(lines).encode() + b"\n\n" + raw + b"\0"


def _unescape(text: str) -> str:
    out, i = "", 0
    while i < len(text):
        if text[i] == "\\":
            out += _UNESCAPES[text[i + 1]]
            i += 1
        else:
            out += text[i]
        i += 1
    return out


def _take_frame(data: bytearray) -> Frame | None:
    while data[:1] == b"\n" or data[:2] == b"\r\n":
        del data[: 1 if data[:1] == b"\n" else 2]
    end = data.find(b"\n\n")
    if end < 0:
        return None
    lines = bytes(data[:end]).decode().split("\n")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(_unescape(name), value if lines[0] == "CONNECTED" else _unescape(value))
    start = end + 2
    if "content-length" in headers:
        stop = start + int(headers["content-length"])
        if len(data) <= stop:
            return None
        assert data[stop] == 0, f"no NUL after the body: {bytes(data[start:stop + 1])!r}"
    else:
        stop = data.find(b"\0", start)
        if stop < 0:
            return None
    frame = Frame(lines[0], headers, bytes(data[start:stop]))
    del data[: stop + 1]
    return frame


class Stomp:
    """One connection. Without `token` nothing is sent at first, so that a test can begin with whatever it likes."""

    def __init__(self, url: str, token: str | None = None, *, text: bool = False, heart_beat: str = "0,0",
                 subprotocol: str | None = "v12.stomp") -> None:
        self.text = text
        self.ws = websocket.create_connection(url, timeout=DEADLINE_S,
                                              subprotocols=[subprotocol] if subprotocol else None)
        self.data = bytearray()
        self.close_code: int | None = None
        self.closed = False
        self.connected: Frame | None = None
        if token is not None:
            self.send("CONNECT", {"accept-version": "1.2", "host": "kith", "heart-beat": heart_beat, "passcode": token})
            self.connected = self.expect("CONNECTED")

    def raw(self, data: bytes) -> None:
        """One WebSocket message. A server that is gone is noticed at the next read."""
        try:
            self.ws.send(data, websocket.ABNF.OPCODE_TEXT if self.text else websocket.ABNF.OPCODE_BINARY)
        except (OSError, websocket.WebSocketException):
            pass

    def send(self, command: str, headers: dict[str, Any] | None = None, body: bytes | str = b"") -> None:
        self.raw(encode(command, headers, body))

    def subscribe(self, *destinations: str, ack: str | None = None) -> None:
        for destination in destinations:
            mode = ack or ("client" if destination == "/inbox" else "auto")
            self.send("SUBSCRIBE", {"id": destination.strip("/"), "destination": destination, "ack": mode})

    def message(self, chat_id: str, message_id: str, body: bytes | str, **headers: Any) -> None:
        """A SEND that asks for a receipt named like the message."""
        self.send("SEND", {"destination": f"/chat/{chat_id}", "message-id": message_id, "receipt": message_id,
                           "content-type": "text/plain", **headers}, body)

    def ack(self, frame: Frame) -> None:
        self.send("ACK", {"id": frame.headers["ack"]})

    def next(self, deadline_s: float = DEADLINE_S) -> Frame:
        """The next frame; raises Closed at the end of the connection, TimeoutError when nothing comes."""
        deadline = time.monotonic() + deadline_s
        while True:
            frame = _take_frame(self.data)
            if frame is not None:
                return frame
            if self.closed:
                raise Closed(self.close_code)
            self._read(deadline)

    def _read(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("no frame came in time")
        self.ws.settimeout(left)
        try:
            opcode, payload = self.ws.recv_data(control_frame=True)  # pings are answered, and end a read like any other
        except (websocket.WebSocketTimeoutException, socket.timeout):
            raise TimeoutError("no frame came in time") from None
        except (OSError, websocket.WebSocketException):
            self.closed = True
            return
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            self.closed = True
            self.close_code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else None
        elif opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
            self.data += payload

    def expect(self, command: str, deadline_s: float = DEADLINE_S, **headers: str) -> Frame:
        """The next frame of that command and those headers (`_` for `-`); what comes before is passed over, but no ERROR."""
        deadline = time.monotonic() + deadline_s
        while True:
            frame = self.next(max(0.0, deadline - time.monotonic()))
            wanted = {name.replace("_", "-"): value for name, value in headers.items()}
            if frame.command == command and wanted.items() <= frame.headers.items():
                return frame
            assert frame.command != "ERROR", frame

    def until_closed(self, deadline_s: float = DEADLINE_S) -> list[Frame]:
        """Everything up to the end of the connection; self.close_code says how it ended."""
        frames: list[Frame] = []
        deadline = time.monotonic() + deadline_s
        try:
            while True:
                frames.append(self.next(max(0.0, deadline - time.monotonic())))
        except Closed:
            return frames

    def close(self) -> None:
        try:
            self.ws.shutdown()
        except OSError:
            pass

    def __enter__(self) -> "Stomp":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
