"""Two stock STOMP clients exchange 1,000 messages while kithd is killed with SIGKILL and started again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kithd import Kithd

HERE = Path(__file__).resolve().parent
EACH = 500
DEADLINE_S = 120.0


def node() -> str:
    return os.environ.get("KITH_NODE", "node")


class StockClient:
    """A client program, its lines as they come."""

    def __init__(self, command: list[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.acked: dict[str, int] = {}
        self.applied: list[dict[str, Any]] = []
        self.other: list[dict[str, Any]] = []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            line = json.loads(text)
            if "acked" in line:
                self.acked[line["acked"]] = line["seq"]
            elif "applied" in line:
                self.applied.append(line)
            else:
                self.other.append(line)

    def end(self) -> None:
        assert self.process.stdin is not None
        if self.process.poll() is None:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        self.reader.join(timeout=10)


def stompjs(server: Kithd, token: str, chat: str, label: str) -> StockClient:
    return StockClient([node(), str(HERE / "clients" / "stompjs_client.mjs"), server.ws_url, token, chat, label, str(EACH)])


def stomppy(server: Kithd, token: str, chat: str, label: str) -> StockClient:
    return StockClient([sys.executable, str(HERE / "clients" / "stomppy_client.py"), server.ws_url, token, chat, label,
                        str(EACH)])


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.01)


@pytest.mark.parametrize("kinds", [(stompjs, stomppy), (stompjs, stompjs), (stomppy, stomppy)],
                         ids=["stompjs-stomppy", "stompjs-stompjs", "stomppy-stomppy"])
def test_every_acknowledged_message_arrives_once_and_in_order(
        kithd: Kithd, kinds: tuple[Callable[..., StockClient], Callable[..., StockClient]]) -> None:
    ann, bob = kithd.people("ann", "bob")
    chat = kithd.chat(ann, bob)
    clients = [kinds[0](kithd, ann.access_token, chat, "from ann"), kinds[1](kithd, bob.access_token, chat, "from bob")]
    try:
        for share in (0.3, 0.6):
            wait_until(lambda: sum(len(c.acked) for c in clients) > share * 2 * EACH, "messages are acknowledged")
            kithd.kill9()
            kithd.start()
        wait_until(lambda: all(len(c.acked) == EACH for c in clients), "all are acknowledged")
        # 1 numbered creation, then the messages: both see the whole chat, the own messages too.
        wait_until(lambda: all(len(c.applied) == 2 * EACH + 1 for c in clients), "all are delivered")
    except AssertionError:
        print(kithd.text()[-4000:], [(len(c.acked), len(c.applied), c.other[-10:]) for c in clients])
        raise
    finally:
        for client in clients:
            client.end()
    check(kithd, ann, chat, clients)


def check(kithd: Kithd, ann: Any, chat: str, clients: list[StockClient]) -> None:
    history = kithd.history(ann, chat)
    by_id = {m["msg_id"]: m for m in history if m["type"] == "message"}
    assert [m["seq"] for m in history] == list(range(1, 2 * EACH + 2))
    for client in clients:
        assert [line["applied"] for line in client.applied] == list(range(1, 2 * EACH + 2))
        assert not [line for line in client.other if "unflagged" in line]
        for message_id, seq in client.acked.items():
            assert by_id[message_id]["seq"] == seq
    for label in ("from ann", "from bob"):
        bodies = [m["content"] for m in history if m["type"] == "message" and m["content"].startswith(label)]
        assert bodies == [f"{label} {i}" for i in range(EACH)]
