"""A message made for an older set of devices: refused over STOMP and REST alike, and each says what it should be made for."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from bodies import CONTENT_TYPE, bodies
from kithd import Account, Kithd, Problem
from stomp import Stomp
from uuid7 import uuid7

DIFFERENCE = ("missing", "removed", "device_lists")


def headers(chat: str) -> dict[str, str]:
    return {"destination": f"/chat/{chat}", "message-id": uuid7(), "receipt": "r", "content-type": CONTENT_TYPE}


def over_rest(kithd: Kithd, sender: Account, chat: str, devices: list[str], lists: dict[str, int]) -> dict[str, Any]:
    with pytest.raises(Problem) as refused:
        kithd.rest("POST", "/messages", {
            "chat_id": chat, "msg_id": uuid7(), "encrypted": True,
            "bodies": [{"device_id": d, "content": base64.b64encode(b"x").decode()} for d in devices],
            "device_lists": [{"user_id": u, "list_seq": n} for u, n in lists.items()]}, sender.access_token)
    assert refused.value.status == 409
    problem: dict[str, Any] = refused.value.body
    return problem


def test_both_ways_say_the_same(kithd: Kithd) -> None:
    ann, bob = kithd.people("ann", "bob")
    phone = kithd.login(bob, "phone")
    chat = kithd.chat(ann, bob, encrypted=True)
    lists = {ann.user_id: 1, bob.user_id: 2}
    devices = [bob.device_id, phone.device_id]
    with Stomp(kithd.ws_url, ann.access_token) as client:
        client.subscribe("/errors")
        client.send("SEND", headers(chat), bodies({d: b"x" for d in devices}, lists))
        client.expect("RECEIPT", receipt_id="r")
        tablet = kithd.login(bob, "tablet")
        kithd.rest("DELETE", f"/devices/{phone.device_id}", None, bob.access_token)

        sent = headers(chat)
        client.send("SEND", sent, bodies({d: b"x" for d in devices}, lists))
        frame = client.expect("MESSAGE", destination="/errors")
        assert (frame.code, frame.headers["retryable"], frame.headers["receipt-id"]) == ("STALE_DEVICES", "false", "r")
        assert frame.headers["client-id"] == sent["message-id"]
        problem = json.loads(frame.body)
        assert (problem["code"], problem["status"]) == ("STALE_DEVICES", 409)
        assert problem["missing"] == [tablet.device_id] and problem["removed"] == [phone.device_id]
        rest = over_rest(kithd, ann, chat, devices, lists)
        assert {name: problem[name] for name in DIFFERENCE} == {name: rest[name] for name in DIFFERENCE}

        # What it says is what a message must be made for; the refused id is as good as new.
        now = {entry["user_id"]: entry for entry in problem["device_lists"]}
        assert set(now) == {ann.user_id, bob.user_id} and now[ann.user_id]["devices"] == [ann.device_id]
        others = [d for entry in now.values() for d in entry["devices"] if d != ann.device_id]
        client.send("SEND", sent, bodies({d: b"x" for d in others}, {u: entry["list_seq"] for u, entry in now.items()}))
        assert client.expect("RECEIPT", receipt_id="r").headers["message-id"] == sent["message-id"]

    with Stomp(kithd.ws_url, ann.access_token) as client:  # without /errors it ends, and says so too
        client.send("SEND", headers(chat), bodies({d: b"x" for d in devices}, lists))
        error = [f for f in client.until_closed() if f.command == "ERROR"][0]
        assert error.code == "STALE_DEVICES" and json.loads(error.body)["missing"] == [tablet.device_id]
        assert client.close_code == 1008
