"""An unmodified stomp-py WSConnection, driven as clients/stompjs_client.mjs is: same arguments, same lines."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import stomp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from uuid7 import uuid7  # noqa: E402

IN_FLIGHT_MAX = 16


class Peer(stomp.ConnectionListener):
    def __init__(self, url: str, token: str, chat_id: str, label: str, count: int) -> None:
        parts = urlsplit(url)
        self.address = (str(parts.hostname), int(parts.port or 80))
        self.path, self.token, self.chat_id = parts.path, token, chat_id
        ids = [uuid7() for _ in range(count)]
        self.outbox = [(ids[i], ids[i - 1] if i else None, f"{label} {i}") for i in range(count)]
        self.on_wire = 0
        self.applied_up_to = 0
        self.lock = threading.RLock()
        self.out = threading.Lock()
        self.gone = threading.Event()
        self.ending = False
        self.connection: stomp.WSConnection | None = None

    def say(self, **line: object) -> None:
        with self.out:
            print(json.dumps(line), flush=True)

    def pump(self) -> None:
        while self.on_wire < min(len(self.outbox), IN_FLIGHT_MAX):
            message_id, after, body = self.outbox[self.on_wire]
            self.on_wire += 1
            headers = {"message-id": message_id, "receipt": message_id}
            if after is not None:
                headers["after"] = after
            assert self.connection is not None
            self.connection.send(f"/chat/{self.chat_id}", body, content_type="text/plain", headers=headers)

    def on_receipt(self, frame: stomp.utils.Frame) -> None:
        with self.lock:
            if not self.outbox or frame.headers.get("receipt-id") != self.outbox[0][0]:
                return
            message_id, _, body = self.outbox.pop(0)
            self.on_wire -= 1
            self.say(acked=message_id, seq=int(frame.headers["seq"]), body=body)
            self.pump()

    def on_message(self, frame: stomp.utils.Frame) -> None:
        headers = frame.headers
        if headers["destination"] == "/errors":
            self.say(error=headers.get("code"), id=headers.get("client-id"))
            return
        seq = int(headers["seq"])
        if headers["destination"] == f"/chat/{self.chat_id}":
            if seq > self.applied_up_to:
                self.applied_up_to = seq
                self.say(applied=seq, type=headers["type"], id=headers.get("client-id"), body=frame.body)
            elif headers.get("redelivered") != "true":
                self.say(unflagged=seq)
        assert self.connection is not None
        self.connection.ack(headers["ack"])

    def on_error(self, frame: stomp.utils.Frame) -> None:
        self.say(stompError=frame.headers.get("code"))

    def on_disconnected(self) -> None:
        self.say(closed=True)
        self.gone.set()

    def once(self) -> None:
        self.gone.clear()
        connection = stomp.WSConnection([self.address], ws_path=self.path, reconnect_attempts_max=1,
                                        heartbeats=(10000, 10000))
        connection.set_listener("peer", self)
        connection.connect(passcode=self.token, wait=True)
        with self.lock:
            self.connection = connection
            self.on_wire = 0
            connection.subscribe("/errors", id="1", ack="auto")
            connection.subscribe("/inbox", id="2", ack="client")
            self.pump()
        self.gone.wait()

    def run(self) -> None:
        while not self.ending:
            try:
                self.once()
            except Exception as error:  # noqa: BLE001: a stock client has many ways to say that the server is away
                if self.ending:
                    return
                self.say(retry=type(error).__name__)
            time.sleep(0.1)

    def wait_for_the_end(self) -> None:
        sys.stdin.readline()
        self.ending = True
        if self.connection is not None:
            self.connection.disconnect()


def main() -> None:
    url, token, chat_id, label, count = sys.argv[1:6]
    peer = Peer(url, token, chat_id, label, int(count))
    threading.Thread(target=peer.run, daemon=True).start()
    peer.wait_for_the_end()


main()
