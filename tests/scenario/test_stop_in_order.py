"""SIGTERM under load: clients are told when to come back, the process exits 0 in under 5 s, nothing acknowledged is lost."""

from __future__ import annotations

import threading
import time

from kithd import Account, Kithd
from stomp import Closed, Frame, Stomp
from uuid7 import uuid7

CLIENTS = 8
BEFORE_THE_STOP = 200
STOPPED_WITHIN_S = 5.0


class Sender(threading.Thread):
    """Sends one message after the other, and acknowledges what comes, until the connection ends."""

    def __init__(self, kithd: Kithd, account: Account, chat: str) -> None:
        super().__init__(daemon=True)
        self.kithd, self.account, self.chat = kithd, account, chat
        self.acked: dict[str, int] = {}
        self.last: Frame | None = None
        self.client = Stomp(kithd.ws_url, account.access_token)

    def run(self) -> None:
        with self.client as client:
            client.subscribe("/errors", "/inbox")
            while True:
                message_id = uuid7()
                client.message(self.chat, message_id, f"by {self.account.name}")
                try:
                    self.wait_for(client, message_id)
                except Closed:
                    return

    def wait_for(self, client: Stomp, message_id: str) -> None:
        while True:
            frame = self.last = client.next()
            if frame.command == "MESSAGE" and "ack" in frame.headers:
                client.ack(frame)
            if frame.command == "RECEIPT" and frame.headers["receipt-id"] == message_id:
                self.acked[message_id] = int(frame.headers["seq"])
                return


def test_a_stop_tells_the_clients_and_loses_nothing(kithd: Kithd) -> None:
    ann, *others = kithd.people(*(f"person{i}" for i in range(CLIENTS)))
    chat = kithd.chat(ann, *others, group=True)
    senders = [Sender(kithd, account, chat) for account in (ann, *others)]
    for sender in senders:
        sender.start()
    deadline = time.monotonic() + 60
    while sum(len(s.acked) for s in senders) < BEFORE_THE_STOP:
        assert time.monotonic() < deadline and all(s.is_alive() for s in senders)
        time.sleep(0.01)
    begun = time.monotonic()
    assert kithd.stop() == 0
    assert time.monotonic() - begun < STOPPED_WITHIN_S
    for sender in senders:
        sender.join(30)
        assert sender.last is not None and (sender.last.command, sender.last.code) == ("ERROR", "UNAVAILABLE")
        assert sender.last.headers["retryable"] == "true" and sender.client.close_code == 1012
    # Not all at the same moment.
    assert len({s.last.headers["retry-after-ms"] for s in senders if s.last is not None}) > 1

    kithd.start()
    history = {m["msg_id"]: m["seq"] for m in kithd.history(ann, chat) if m["type"] == "message"}
    for sender in senders:
        assert sender.acked.items() <= history.items()


def test_a_stop_waits_for_what_is_under_way_and_no_longer(kithd: Kithd) -> None:
    """The last acknowledgements are still on their way into the log when all connections are gone, and so is no grace."""
    ann, *others = kithd.people(*(f"person{i}" for i in range(CLIENTS)))
    chat = kithd.chat(ann, *others, group=True)
    for turn in range(4):
        clients = [Stomp(kithd.ws_url, account.access_token) for account in (ann, *others)]
        for client in clients:
            client.__enter__()
            client.subscribe("/errors", "/inbox")
        clients[0].message(chat, uuid7(), f"turn {turn}")
        for client in clients:
            while True:
                frame = client.expect("MESSAGE")
                client.ack(frame)
                if frame.body == f"turn {turn}".encode():
                    break
        for client in clients:
            client.close()
        begun = time.monotonic()
        assert kithd.stop() == 0
        assert time.monotonic() - begun < STOPPED_WITHIN_S
        kithd.start()
