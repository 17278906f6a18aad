"""A message with one ciphertext for all: live, later, in the history; but not for who sent it, nor for who has one of their own."""

from __future__ import annotations

import base64
import uuid

from bodies import CONTENT_TYPE, bodies
from kithd import Account, Kithd
from stomp import Stomp
from uuid7 import uuid7

ALL = str(uuid.UUID(int=0))


def read(client: Stomp) -> bytes:
    while True:
        frame = client.expect("MESSAGE")
        client.ack(frame)
        if frame.headers["type"] == "message":
            return bytes(frame.body)


def in_history(kithd: Kithd, account: Account, chat: str) -> bytes | None:
    page = kithd.rest("GET", f"/messages?chat_id={chat}&limit=50", None, account.access_token)
    message = next(m for m in page["messages"] if m["type"] == "message")
    return base64.b64decode(message["content"]) if "content" in message else None


def test_common_body(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    tablet, phone = kithd.login(ann, "tablet"), kithd.login(bob, "phone")
    chat = kithd.chat(ann, bob, encrypted=True)
    expected = [(ann, b""), (tablet, b"for all"), (bob, b"for all"), (phone, b"for the phone")]

    with Stomp(kithd.ws_url, ann.access_token) as sender, Stomp(kithd.ws_url, bob.access_token) as live:
        sender.subscribe("/inbox", ack="client-individual")
        live.subscribe("/inbox", ack="client-individual")
        sender.send("SEND", {"destination": f"/chat/{chat}", "message-id": uuid7(), "receipt": "r", "content-type": CONTENT_TYPE,
                             "encrypted": "true"},
                    bodies({ALL: b"for all", phone.device_id: b"for the phone"}, {ann.user_id: 2, bob.user_id: 2}))
        assert read(live) == b"for all"
        assert read(sender) == b""
    for device, body in (expected[1], expected[3]):
        with Stomp(kithd.ws_url, device.access_token) as later:
            later.subscribe("/inbox", ack="client-individual")
            assert read(later) == body
    for device, body in expected:
        assert in_history(kithd, device, chat) == (body or None)
