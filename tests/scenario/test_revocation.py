"""I-A2: a device that is signed out is closed within 5 s, and nothing is delivered to it from that answer on."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from kithd import Account, Kithd, Problem
from stomp import Stomp
from uuid7 import uuid7

CLOSED_WITHIN_S = 5.0


def logout(kithd: Kithd, _: Account, device: Account) -> None:
    kithd.rest("POST", "/auth/logout", token=device.access_token)


def logout_by_refresh_token(kithd: Kithd, _: Account, device: Account) -> None:
    kithd.rest("POST", "/auth/logout", {"refresh_token": device.refresh_token})


def remove_device(kithd: Kithd, other: Account, device: Account) -> None:
    kithd.rest("DELETE", f"/devices/{device.device_id}", token=other.access_token)


def change_password(kithd: Kithd, other: Account, _: Account) -> None:
    kithd.rest("PUT", "/users/me", {"password": "another long password", "current_password": other.password},
               other.access_token)


@pytest.mark.parametrize("revoke", [logout, logout_by_refresh_token, remove_device, change_password])
def test_a_revoked_device_is_closed_and_hears_nothing_more(
        kithd: Kithd, revoke: Callable[[Kithd, Account, Account], None]) -> None:
    ann, bob = kithd.people("ann", "bob")
    lost = kithd.login(bob, "the lost phone")
    chat = kithd.chat(ann, bob)
    with Stomp(kithd.ws_url, lost.access_token) as device, Stomp(kithd.ws_url, ann.access_token) as sender, \
            Stomp(kithd.ws_url, bob.access_token) as other:
        for listener in (device, other):
            listener.subscribe("/errors", "/inbox")
            listener.expect("MESSAGE", type="created", destination=f"/chat/{chat}")
        before, after = uuid7(), uuid7()
        sender.message(chat, before, "before")
        device.expect("MESSAGE", client_id=before)

        revoke(kithd, bob, lost)
        answered = time.monotonic()
        sender.message(chat, after, "after")
        sender.expect("RECEIPT", receipt_id=after)
        frames = device.until_closed()
        took = time.monotonic() - answered
        assert took < CLOSED_WITHIN_S
        assert [f.code for f in frames if f.command == "ERROR"] == ["UNAUTHORIZED"] and device.close_code == 1008
        assert after not in [f.headers.get("client-id") for f in frames]
        # The other device of the same person goes on.
        other.expect("MESSAGE", client_id=after)

    check_tokens_are_dead(kithd, lost)


def check_tokens_are_dead(kithd: Kithd, lost: Account) -> None:
    for call in (lambda: kithd.rest("GET", "/chats", token=lost.access_token),
                 lambda: kithd.rest("POST", "/auth/refresh", {"refresh_token": lost.refresh_token})):
        with pytest.raises(Problem) as refused:
            call()
        assert refused.value.status == 401
    with Stomp(kithd.ws_url) as again:
        again.send("CONNECT", {"accept-version": "1.2", "passcode": lost.access_token})
        assert [f.code for f in again.until_closed()] == ["UNAUTHORIZED"]
