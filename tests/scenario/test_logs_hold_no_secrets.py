"""I-V1: what people write, and what they sign in with, occurs in no output, metric or error of the server."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Callable
from typing import Any

from kithd import Account, Kithd, Problem
from stomp import Stomp, encode
from uuid7 import uuid7

BODY = "canary-body-5f1c"
GROUP = "canary-group-77ab"
PASSWORD = "canary-password-91de"
WRONG = "canary-wrong-password-03"
TOKEN = "canary-token-aa12-aa12-aa12-aa12"
FORWARDED = "203.0.113.77"


def admin_address() -> str:
    """A loopback address that only this process uses, so that the port stays free until kithd takes it."""
    host = f"127.{os.getpid() >> 8 & 255}.{os.getpid() & 255}.2"
    with socket.create_server((host, 0)) as probe:
        return f"{host}:{probe.getsockname()[1]}"


def rest_errors(kithd: Kithd, ann: Account, chat: str) -> list[str]:
    """Requests that are refused, each with a canary in it; what was answered."""
    odd: list[tuple[str, str, Any, str | None]] = [
        ("POST", "/auth/login", {"name": "ann", "password": WRONG, "device_name": "x"}, None),
        ("POST", "/auth/refresh", {"refresh_token": TOKEN}, None),
        ("GET", "/chats", None, TOKEN),
        ("POST", "/users", {"name": "ann", "password": PASSWORD, "device_name": "x", "invite": TOKEN}, None),
        ("POST", "/users", b'{"name":"x","password":"' + PASSWORD.encode() + b'"', None),
        ("PUT", "/users/me", {"password": PASSWORD, "current_password": WRONG}, ann.access_token),
        ("POST", "/messages", {"chat_id": chat, "msg_id": "no id", "content": BODY}, ann.access_token),
        ("POST", "/messages", {"chat_id": uuid7(), "msg_id": uuid7(), "content": BODY}, ann.access_token),
        ("POST", "/messages", b'{"content":"' + BODY.encode() + b'\xff"}', ann.access_token),
        ("POST", "/chats", {"type": "group", "members": ["x"], "name": GROUP}, ann.access_token),
    ]
    answers = []
    for method, path, body, token in odd:
        try:
            kithd.rest(method, path, body, token, headers={"X-Forwarded-For": FORWARDED})
            raise AssertionError(f"{method} {path} was not refused")
        except Problem as problem:
            answers.append(f"{problem} {problem.headers}")
    return answers


def stomp_errors(kithd: Kithd, ann: Account, chat: str) -> list[str]:
    answers: list[str] = []
    with Stomp(kithd.ws_url) as client:
        client.send("CONNECT", {"accept-version": "1.2", "passcode": TOKEN})
        answers += map(str, client.until_closed())
    with Stomp(kithd.ws_url, ann.access_token) as client:
        client.subscribe("/errors")
        client.message(uuid7(), uuid7(), BODY)
        client.message(chat, "no id", BODY)
        client.send("SEND", {"destination": "/session", "passcode": TOKEN, "receipt": "r"})
        answers += map(str, client.until_closed())
    with Stomp(kithd.ws_url, ann.access_token) as client:
        client.raw(encode("SEND", {"destination": f"/chat/{chat}", "content-length": 3}, BODY))
        answers += map(str, client.until_closed())
    return answers


def test_no_secret_is_written_down_or_answered(make_kithd: Callable[..., Kithd]) -> None:
    admin = admin_address()
    kithd = make_kithd("--log.level", "debug", "--admin_listen", admin)
    ann, bob = kithd.people("ann", "bob")
    kithd.rest("PUT", "/users/me", {"password": PASSWORD, "current_password": ann.password}, ann.access_token)
    ann.password = PASSWORD
    again = kithd.login(ann)
    chat = kithd.chat(ann, bob)
    kithd.chat(ann, bob, group=True, name=GROUP)
    with Stomp(kithd.ws_url, ann.access_token) as client:
        message_id = uuid7()
        client.message(chat, message_id, BODY)
        client.expect("RECEIPT", receipt_id=message_id)
    answers = rest_errors(kithd, ann, chat) + stomp_errors(kithd, ann, chat)
    with urllib.request.urlopen(f"http://{admin}/metrics", timeout=30) as metrics:
        seen = {"answers": "\n".join(answers), "metrics": metrics.read().decode()}
    assert "kith" in seen["metrics"]
    assert kithd.stop() == 0
    invite = kithd.invite
    assert invite is not None
    seen["output"] = kithd.text().replace(invite, "", 1)  # printed once, on purpose, for the first administrator
    secrets = [BODY, GROUP, PASSWORD, WRONG, TOKEN, FORWARDED, invite, bob.password,
               *(t for a in (ann, bob, again) for t in (a.access_token, a.refresh_token))]
    for where, text in seen.items():
        assert [s for s in secrets if s in text] == [], f"in the {where}"
