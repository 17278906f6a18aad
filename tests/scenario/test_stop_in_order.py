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
    """Sends one message after the other until the connection ends."""

    def __init__(self, kithd: Kithd, account: Account, chat: str) -> None:
        super().__init__(daemon=True)
        self.kithd, self.account, self.chat = kithd, account, chat
        self.acked: dict[str, int] = {}
        self.last: Frame | None = None
        self.client = Stomp(kithd.ws_url, account.access_token)

    def run(self) -> None:
        with self.client as client:
            client.subscribe("/errors")
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
