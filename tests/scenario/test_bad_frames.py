"""Broken frames end the connection with the named ERROR; well-formed ones that are refused leave it, where /errors is heard."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from kithd import Kithd
from stomp import Frame, Stomp, encode
from uuid7 import uuid7

FRAME_BYTES_MAX = 278528


@pytest.fixture
def chatting(kithd: Kithd) -> tuple[Kithd, str, str]:
    """A server, a token, a chat."""
    ann, bob = kithd.people("ann", "bob")
    return kithd, ann.access_token, kithd.chat(ann, bob)


def ends_with(client: Stomp, code: str, close: int) -> Frame:
    frames = client.until_closed()
    errors = [f for f in frames if f.command == "ERROR"]
    assert [f.code for f in errors] == [code] and frames[-1] is errors[0], frames
    assert client.close_code == close
    assert errors[0].headers["retryable"] in ("true", "false") and f'"{code}"'.encode() in errors[0].body
    return errors[0]


def sized(chat: str, size: int) -> bytes:
    """A SEND of exactly so many bytes with its NUL; its body alone is above what a message may have."""
    headers = {"destination": f"/chat/{chat}", "message-id": uuid7(), "receipt": "sized"}
    frame = encode("SEND", {**headers, "content-length": 100000}, b"")
    return encode("SEND", headers, b"x" * (size - len(frame)))


# Well formed and refused: (frame, headers, body) for a chat, and the code.
REFUSED: dict[str, tuple[Callable[[str], tuple[str, dict[str, str], bytes]], str]] = {
    "unknown destination": (lambda c: ("SEND", {"destination": "/nowhere"}, b"x"), "BAD_DESTINATION"),
    "unknown subscription": (lambda c: ("SUBSCRIBE", {"destination": "/nowhere", "id": "n"}, b""), "BAD_DESTINATION"),
    "chat that is no UUID": (lambda c: ("SEND", {"destination": "/chat/none", "message-id": uuid7()}, b"x"), "BAD_REQUEST"),
    "chat of nobody": (lambda c: ("SEND", {"destination": f"/chat/{uuid7()}", "message-id": uuid7()}, b"x"), "NOT_FOUND"),
    "id that is no UUID": (lambda c: ("SEND", {"destination": f"/chat/{c}", "message-id": "17"}, b"x"), "BAD_REQUEST"),
    "id of version 4": (lambda c: ("SEND", {"destination": f"/chat/{c}", "message-id":
                                            "0b0e5d3c-1111-4222-8333-444455556666"}, b"x"), "BAD_ID"),
    "id of long ago": (lambda c: ("SEND", {"destination": f"/chat/{c}", "message-id": uuid7(1_600_000_000_000)}, b"x"),
                       "TOO_OLD"),
    "no id": (lambda c: ("SEND", {"destination": f"/chat/{c}"}, b"x"), "BAD_REQUEST"),
    "no destination": (lambda c: ("SEND", {"message-id": uuid7()}, b"x"), "BAD_REQUEST"),
    "text that is no UTF-8": (lambda c: ("SEND", {"destination": f"/chat/{c}", "message-id": uuid7(),
                                                  "content-type": "text/plain"}, b"a\xc3("), "BAD_REQUEST"),
    "body above its maximum": (lambda c: ("SEND", {"destination": f"/chat/{c}", "message-id": uuid7()},
                                          b"x" * (256 * 1024 + 1)), "TOO_BIG"),
    "after of nothing": (lambda c: ("SEND", {"destination": f"/chat/{c}", "message-id": uuid7(), "after": uuid7()}, b"x"),
                         "PREDECESSOR_MISSING"),
    "inbox with auto": (lambda c: ("SUBSCRIBE", {"destination": "/inbox", "id": "i", "ack": "auto"}, b""), "ACK_MODE"),
    "read without seq": (lambda c: ("SEND", {"destination": f"/chat/{c}/read"}, b""), "BAD_REQUEST"),
    "BEGIN": (lambda c: ("BEGIN", {"transaction": "t"}, b""), "NOT_SUPPORTED"),
    "COMMIT": (lambda c: ("COMMIT", {"transaction": "t"}, b""), "NOT_SUPPORTED"),
    "ABORT": (lambda c: ("ABORT", {"transaction": "t"}, b""), "NOT_SUPPORTED"),
}


def test_a_refused_frame_leaves_the_connection_where_errors_are_heard(chatting: tuple[Kithd, str, str]) -> None:
    kithd, token, chat = chatting
    with Stomp(kithd.ws_url, token) as client:
        client.subscribe("/errors")
        for name, (make, code) in REFUSED.items():
            command, headers, body = make(chat)
            client.send(command, {**headers, "receipt": name}, body)
            frame = client.next()
            assert (frame.command, frame.headers.get("destination")) == ("MESSAGE", "/errors"), (name, frame)
            assert (frame.headers["receipt-id"], frame.code) == (name, code), (name, frame)
            assert frame.headers.get("client-id") == (headers.get("message-id") if command == "SEND" else None) or \
                code == "BAD_REQUEST", (name, frame)
            assert frame.headers["content-type"] == "application/problem+json" and f'"{code}"'.encode() in frame.body
        message_id = uuid7()
        client.message(chat, message_id, "still here")
        assert client.expect("RECEIPT", receipt_id=message_id).headers["seq"] == "2"


def test_without_errors_a_refused_frame_ends_the_connection(chatting: tuple[Kithd, str, str]) -> None:
    kithd, token, chat = chatting
    for name, (make, code) in REFUSED.items():
        with Stomp(kithd.ws_url, token) as client:
            command, headers, body = make(chat)
            client.send(command, {**headers, "receipt": name}, body)
            assert ends_with(client, code, 1009 if code == "TOO_BIG" else 1008).headers["receipt-id"] == name


def test_a_frame_above_its_maximum_is_too_big(chatting: tuple[Kithd, str, str]) -> None:
    kithd, token, chat = chatting
    with Stomp(kithd.ws_url, token) as client:
        assert client.connected is not None and client.connected.headers["max-frame-bytes"] == str(FRAME_BYTES_MAX)
        client.subscribe("/errors")
        client.raw(sized(chat, FRAME_BYTES_MAX))  # a frame may be so large; as a message it is not taken
        assert client.expect("MESSAGE", destination="/errors").code == "TOO_BIG"
        client.raw(sized(chat, FRAME_BYTES_MAX + 1))
        ends_with(client, "TOO_BIG", 1009)


@pytest.mark.parametrize("broken", [
    pytest.param(b"SEND\ndestination:/chat/{chat}\nmessage-id:{id}\ncontent-length:2\n\nabc\0", id="content-length too small"),
    pytest.param(b"SEND\ndestination:/chat/{chat}\nmessage-id:{id}\ncontent-length:4\n\nabc\0\n\0", id="content-length too large"),
    pytest.param(b"SEND\ndestination:/chat/{chat}\nmessage-id:{id}\ncontent-length:-1\n\nabc\0", id="content-length negative"),
    pytest.param(b"SEND\ndestination:/chat/{chat}\nmessage-id:{id}\ncontent-length:99999999999999999999\n\nabc\0",
                 id="content-length beyond 64 bits"),
    pytest.param(b"HELLO\n\n\0", id="unknown command"),
    pytest.param(b"send\ndestination:/x\n\n\0", id="command in small letters"),
    pytest.param(b"SEND\nno colon\n\n\0", id="header without colon"),
    pytest.param(b"SEND\ndestination:a\\tb\n\n\0", id="unknown escape"),
    pytest.param(b"MESSAGE\ndestination:/x\n\n\0", id="a command of servers"),
    pytest.param(b"CONNECT\naccept-version:1.2\n\n\0", id="a second CONNECT"),
    pytest.param(b"\0\n\n\0", id="a NUL for a command"),
    # Not whole, and nothing that comes behind could mend it: ended at once.
    pytest.param(b"\0", id="a bare NUL"),
    pytest.param(b"GET", id="bytes that no command has"),
    pytest.param(b"UNSUBSCRIBED", id="longer than any command"),
    pytest.param(b"SEND\rdestination", id="a bare CR behind a command"),
    pytest.param(b"SEND\ndestination:/x\n\0", id="a NUL for the blank line"),
    pytest.param(b"SEND\nno colon\n", id="a line without colon"),
    pytest.param(b"SEND\ndestination:/x\ry", id="a bare CR in a header"),
    pytest.param(b"SEND\ndestination:\xff", id="a value that is no UTF-8"),
    pytest.param(b"SEND\ndest\xc3:", id="a name that is no UTF-8"),
])
def test_a_broken_frame_is_malformed_and_ends_the_connection(chatting: tuple[Kithd, str, str], broken: bytes) -> None:
    kithd, token, chat = chatting
    with Stomp(kithd.ws_url, token) as client:
        client.subscribe("/errors")
        client.raw(broken.replace(b"{chat}", chat.encode()).replace(b"{id}", uuid7().encode()))
        assert ends_with(client, "MALFORMED", 1002).headers["message"]


@pytest.mark.parametrize("broken", [b"SEND\ndestination:/x\n\0", b"SEND\nno colon\n", b"SEND\nreceipt:\xe2\x82\n"])
def test_in_pieces_a_broken_frame_ends_the_same_way(chatting: tuple[Kithd, str, str], broken: bytes) -> None:
    kithd, token, _ = chatting
    with Stomp(kithd.ws_url, token) as client:
        for byte in broken:
            client.raw(bytes([byte]))
        assert ends_with(client, "MALFORMED", 1002).headers["message"]


@pytest.mark.parametrize("first", ["SEND", "SUBSCRIBE", "ACK", "DISCONNECT", "BEGIN"])
def test_nothing_comes_before_connect(kithd: Kithd, first: str) -> None:
    with Stomp(kithd.ws_url) as client:
        client.send(first, {"destination": "/inbox", "id": "1", "transaction": "t"})
        ends_with(client, "MALFORMED", 1002)


def test_versions_and_tokens(kithd: Kithd) -> None:
    ann, = kithd.people("ann")
    for headers, code, close in [({"accept-version": "1.0,1.1", "passcode": ann.access_token}, "VERSION", 1002),
                                 ({"accept-version": "1.2", "passcode": "none"}, "UNAUTHORIZED", 1008),
                                 ({"accept-version": "1.2"}, "UNAUTHORIZED", 1008)]:
        with Stomp(kithd.ws_url) as client:
            client.send("CONNECT", headers)
            ends_with(client, code, close)


def test_noise_never_ends_the_server(chatting: tuple[Kithd, str, str]) -> None:
    kithd, token, chat = chatting
    assert kithd.process is not None
    for i in range(100):
        with Stomp(kithd.ws_url, token if i % 2 else None) as client:
            client.raw(os.urandom(2 + i * 7) + b"\n\0")  # even where all of it were line ends: the NUL is no command
            client.until_closed()
    assert kithd.process.poll() is None
    kithd.rest("GET", "/readyz")
