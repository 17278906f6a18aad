"""I-R3: read receipts that are switched are switched at once on the connections that are open, on whatever loop they are."""

from __future__ import annotations

import json
from typing import Any

from kithd import Kithd
from stomp import Stomp
from uuid7 import uuid7


def read_by(listener: Stomp, chat: str, reader: str, up_to: int) -> dict[str, Any]:
    """The event of a person's receipts that says *delivered* up to there."""
    while True:
        said: dict[str, Any] = json.loads(listener.expect("MESSAGE", destination=f"/chat/{chat}/receipts").body)
        if said["user_id"] == reader and said["delivered_up_to"] >= up_to:
            return said


def test_switched_receipts_count_at_once(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    chat = kithd.chat(ann, bob)
    # More connections than loops: some of Bob's devices are on another loop than the one that is asked.
    listeners = [Stomp(kithd.ws_url, kithd.login(bob, f"device {i}").access_token) for i in range(4)]
    with Stomp(kithd.ws_url, ann.access_token) as sender:

        def read(seq: int) -> None:
            sender.send("SEND", {"destination": f"/chat/{chat}/read", "seq": seq, "receipt": f"read {seq}"})
            sender.expect("RECEIPT", receipt_id=f"read {seq}")

        read(1)
        for _ in range(3):
            message_id = uuid7()
            sender.message(chat, message_id, "x")
            sender.expect("RECEIPT", receipt_id=message_id)
        for listener in listeners:
            listener.subscribe("/events")
            read_by(listener, chat, ann.user_id, 1)  # the present state has come: the chats are not looked at again soon
        for seq, on in ((2, True), (3, False), (4, True)):
            kithd.rest("PUT", "/users/me", {"read_receipts": on}, bob.access_token)
            read(seq)
            for listener in listeners:
                assert ("read_up_to" in read_by(listener, chat, ann.user_id, seq)) == on
    for listener in listeners:
        listener.close()
