"""A full disk makes the server read-only: writes are refused, reads go on, and it heals by itself when there is room again."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kithd import Kithd, Problem
from stomp import Stomp
from uuid7 import uuid7

DISK = "40m"
LEFT_BYTES = 3 << 20
BODY = "x" * 100_000
HEALED_WITHIN_S = 60.0


def small_disk(path: Path) -> list[str]:
    """A wrapper: the program sees a small file system of its own there, which ends with it."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "unshare is needed for this test (Debian: util-linux)"
    path.mkdir()
    # What is mounted stays in here. In a chroot "/" is no mount, and there is nothing to be done, nor needed.
    script = f'mount --make-rprivate / 2>/dev/null; mount -t tmpfs -o size={DISK} tmpfs "$0" || {{ ' \
             'echo "this test has to mount a tmpfs (root, CAP_SYS_ADMIN)"; exit 1; }; exec "$@"'
    user = [] if os.geteuid() == 0 else ["-r"]  # a chroot may make mount namespaces, but no users
    return [unshare, *user, "-m", "--propagation", "unchanged", "sh", "-c", script, str(path)]


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    free = shutil.disk_usage(folder).free - LEFT_BYTES
    with filler.open("wb") as out:
        while free > 0:
            free -= out.write(b"\xff" * min(free, 1 << 20))
    return filler


def send_until_refused(client: Stomp, chat: str, acked: dict[str, int]) -> tuple[str, str]:
    """The message that was refused, with its body."""
    for i in range(1000):
        message_id, body = uuid7(), f"{i} {BODY}"
        answer = send(client, chat, message_id, body, acked)
        if answer is not None:
            assert answer["code"] in ("READ_ONLY", "UNAVAILABLE"), answer
            assert answer["retryable"] == "true" and int(answer["retry-after-ms"]) > 0, answer
            return message_id, body
    raise AssertionError("the disk never got full")


def send(client: Stomp, chat: str, message_id: str, body: str, acked: dict[str, int]) -> dict[str, str] | None:
    client.message(chat, message_id, body)
    while True:
        frame = client.next()
        if frame.headers.get("receipt-id") != message_id:
            continue
        if frame.command == "RECEIPT":
            acked[message_id] = int(frame.headers["seq"])
            return None
        return frame.headers


def refused(call: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        call()
    assert caught.value.status == 503, caught.value
    return caught.value


def check_read_only(kithd: Kithd, ann: Any, bob: Any, chat: str, acked: dict[str, int]) -> None:
    problem = refused(lambda: kithd.rest("POST", "/messages", {"chat_id": chat, "msg_id": uuid7(), "content": "by rest",
                                                               "encrypted": False}, ann.access_token))
    assert problem.code in ("READ_ONLY", "UNAVAILABLE") and problem.body["retryable"] is True, problem.body
    ready = refused(lambda: kithd.rest("GET", "/readyz?verbose"))
    assert "space" in str(ready.body).lower() or "full" in str(ready.body).lower(), ready.body
    assert set(acked) <= {m.get("msg_id") for m in kithd.history(bob, chat)}
    with Stomp(kithd.ws_url, bob.access_token) as reader:
        reader.subscribe("/errors", "/inbox")
        seen = set()
        while not set(acked) <= seen:
            frame = reader.expect("MESSAGE")
            seen.add(frame.headers.get("client-id"))


def check_all_kept(kithd: Kithd, reader: Any, chat: str, acked: dict[str, int]) -> None:
    history = kithd.history(reader, chat)
    ids = [m["msg_id"] for m in history if m["type"] == "message"]
    assert len(ids) == len(set(ids)) and [m["seq"] for m in history] == list(range(1, len(history) + 1))
    assert acked.items() <= {m.get("msg_id"): m["seq"] for m in history}.items()


def test_a_full_disk_refuses_writes_keeps_reading_and_heals(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    data = tmp_path / "small"
    kithd = make_kithd("--log.segment_bytes", "1MiB", data=data, wrapper=small_disk(data))
    ann, bob = kithd.people("ann", "bob")
    chat = kithd.chat(ann, bob)
    assert kithd.process is not None
    inside = Path(f"/proc/{kithd.process.pid}/root{data}")
    filler = fill(inside)
    acked: dict[str, int] = {}
    with Stomp(kithd.ws_url, ann.access_token) as client:
        client.subscribe("/errors")
        message_id, body = send_until_refused(client, chat, acked)
        check_read_only(kithd, ann, bob, chat, acked)
        filler.unlink()
        deadline = time.monotonic() + HEALED_WITHIN_S
        while send(client, chat, message_id, body, acked) is not None:
            assert time.monotonic() < deadline, kithd.text()[-2000:]
            time.sleep(0.1)
        assert kithd.rest("GET", "/readyz?verbose") is not None
    check_all_kept(kithd, bob, chat, acked)
    # Killed here and now, what is on the disk is enough.
    kithd.process.send_signal(signal.SIGSTOP)
    shutil.copytree(inside, tmp_path / "copy")
    kithd.kill9()
    again = Kithd(tmp_path / "copy", port=kithd.port)
    again.starts = 1
    try:
        check_all_kept(again.start(), bob, chat, acked)
    finally:
        again.close()
