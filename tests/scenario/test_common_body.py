"""
A message with one ciphertext for all: live, later, in the history; but not for who sent it, nor for who has one of their own. In
a group a digest says which device lists it was made for.
"""

from __future__ import annotations

import base64
import json
import uuid

from bodies import CONTENT_TYPE, bodies, common
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


def test_a_digest_in_the_place_of_the_lists(kithd: Kithd) -> None:
    ann, bob, carl = kithd.people("ann", "bob", "carl")
    chat = kithd.chat(ann, bob, carl, encrypted=True, group=True)
    pair = kithd.chat(ann, bob, encrypted=True)
    lists = {ann.user_id: 1, bob.user_id: 1, carl.user_id: 1}

    def headers(to: str) -> dict[str, str]:
        return {"destination": f"/chat/{to}", "message-id": uuid7(), "receipt": "r", "content-type": CONTENT_TYPE, "encrypted": "true"}

    with Stomp(kithd.ws_url, ann.access_token) as sender:
        sender.subscribe("/errors")
        sender.send("SEND", headers(chat), common(b"one", lists))
        sender.expect("RECEIPT", receipt_id="r")
        kithd.kill9()
    kithd.start()  # what it knew in memory is worked out again
    phone = kithd.login(bob, "phone")
    with Stomp(kithd.ws_url, ann.access_token) as sender:
        sender.subscribe("/errors")
        sent = headers(chat)
        sender.send("SEND", sent, common(b"two", lists))
        refused = json.loads(sender.expect("MESSAGE", destination="/errors").body)
        assert (refused["code"], refused["missing"], refused["removed"]) == ("STALE_DEVICES", [], [])
        now = {entry["user_id"]: entry["list_seq"] for entry in refused["device_lists"]}
        assert now == lists | {bob.user_id: 2}
        sender.send("SEND", sent, common(b"two", now))
        assert sender.expect("RECEIPT", receipt_id="r").headers["message-id"] == sent["message-id"]

        # Who deleted the account is a member no more, and in no digest.
        kithd.rest("DELETE", "/users/me", None, carl.access_token)
        sender.send("SEND", headers(chat), common(b"three", now))
        assert sender.expect("MESSAGE", destination="/errors").code == "STALE_DEVICES"
        del now[carl.user_id]
        sender.send("SEND", headers(chat), common(b"three", now))
        sender.expect("RECEIPT", receipt_id="r")

        sender.send("SEND", headers(pair), common(b"a pair has no digest", now))
        assert sender.expect("MESSAGE", destination="/errors").code == "BAD_REQUEST"
    with Stomp(kithd.ws_url, phone.access_token) as later:
        later.subscribe("/inbox", ack="client-individual")
        assert read(later) == b"two"
        assert read(later) == b"three"
