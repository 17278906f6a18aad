"""I-D4, I-E2: after the first failed sync nothing is acknowledged until a restart, and then nothing is lost or doubled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kithd import Account, Kithd, Problem
from stomp import Stomp
from trace import calls, strace, wait_for_end
from uuid7 import uuid7

FAILING_SYNC = 40  # counted by thread from the start of the process: the log's thread gets there with our messages
SENT_AFTER = 20


class Sender:
    def __init__(self, kithd: Kithd, account: Account, chat: str) -> None:
        self.kithd, self.account, self.chat = kithd, account, chat
        self.acked: dict[str, int] = {}
        self.unanswered: dict[str, str] = {}

    def send(self, client: Stomp, message_id: str, body: str) -> str:
        """The code of the answer."""
        self.unanswered[message_id] = body
        client.message(self.chat, message_id, body)
        frame = client.next()
        while frame.headers.get("receipt-id") != message_id:
            frame = client.next()
        if frame.command == "RECEIPT":
            self.acked[message_id] = int(frame.headers["seq"])
            del self.unanswered[message_id]
            return "OK"
        assert frame.headers["retryable"] == "true", frame
        return frame.code

    def until_it_fails(self, client: Stomp) -> None:
        for i in range(4 * FAILING_SYNC):
            if self.send(client, uuid7(), f"before {i}") != "OK":
                return
        raise AssertionError("no sync failed")


def check_writes_are_refused(sender: Sender, client: Stomp) -> None:
    kithd = sender.kithd
    for i in range(SENT_AFTER):
        assert sender.send(client, uuid7(), f"after {i}") == "READ_ONLY"
    with pytest.raises(Problem) as write:
        kithd.rest("POST", "/messages", {"chat_id": sender.chat, "msg_id": uuid7(), "content": "x", "encrypted": False},
                   sender.account.access_token)
    assert (write.value.status, write.value.code) == (503, "READ_ONLY")
    with pytest.raises(Problem) as ready:
        kithd.rest("GET", "/readyz?verbose")
    assert ready.value.status == 503 and "sync" in str(ready.value.body).lower(), ready.value.body
    kithd.rest("GET", "/livez")


def check_trace(trace: Path) -> None:
    """Behind the failed sync: no receipt, and no sync of any file of the log, which would lie."""
    done = list(calls(trace))
    failed = next(c for c in done if "INJECTED" in c.error)
    assert failed.name == "fdatasync" and "/log/" in failed.text, failed
    later = [c for c in done if c.began > failed.began and c is not failed]
    assert not [c for c in later if c.name == "sendto" and "RECEIPT" in c.text]
    assert not [c for c in later if c.name in ("fdatasync", "fsync") and "/log/" in c.text]


def check_history(sender: Sender) -> None:
    history = sender.kithd.history(sender.account, sender.chat)
    ids = [m["msg_id"] for m in history if m["type"] == "message"]
    assert len(ids) == len(set(ids)) and [m["seq"] for m in history] == list(range(1, len(history) + 1))
    assert sender.acked.items() <= {m.get("msg_id"): m["seq"] for m in history}.items()


def test_after_a_failed_sync_nothing_is_acknowledged_until_a_restart(
        make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    kithd = make_kithd()
    ann, bob = kithd.people("ann", "bob")
    sender = Sender(kithd, ann, kithd.chat(ann, bob))
    assert kithd.stop() == 0
    trace = tmp_path / "trace"
    kithd.wrapper = strace("-y", "-s", "200", "-o", str(trace), "-e", "trace=fdatasync,fsync,sendto",
                           "-e", f"inject=fdatasync:error=EIO:when={FAILING_SYNC}")
    kithd.start()
    with Stomp(kithd.ws_url, ann.access_token) as client:
        client.subscribe("/errors")
        sender.until_it_fails(client)
        check_writes_are_refused(sender, client)
        check_history(sender)
    assert kithd.process is not None
    pid = kithd.process.pid
    kithd.kill9()
    wait_for_end(trace, pid)
    check_trace(trace)

    kithd.wrapper = []
    kithd.start()
    check_history(sender)
    assert len(sender.unanswered) == SENT_AFTER + 1
    with Stomp(kithd.ws_url, ann.access_token) as client:
        client.subscribe("/errors")
        for message_id, body in list(sender.unanswered.items()):
            assert sender.send(client, message_id, body) == "OK"
            first = sender.acked[message_id]
            assert sender.send(client, message_id, body) == "OK" and sender.acked[message_id] == first
    check_history(sender)
