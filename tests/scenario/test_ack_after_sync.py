"""I-D3: in the system calls of kithd, no acknowledgement leaves before the sync that makes its message durable."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from kithd import Kithd
from stomp import Stomp
from trace import Call, calls, strace, wait_for_end
from uuid7 import uuid7

COUNT = 50
OUTWARD = {"write", "writev", "sendto", "sendmsg"}


def test_every_receipt_follows_the_sync_of_its_message(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    kithd = make_kithd(wrapper=strace("-y", "-s", "100000", "-o", str(trace), "-e",
                                      "trace=fdatasync,fsync,pwrite64,write,writev,sendto,sendmsg"))
    ann, bob = kithd.people("ann", "bob")
    chat = kithd.chat(ann, bob)
    sent: dict[str, str] = {}
    with Stomp(kithd.ws_url, ann.access_token) as client:
        for i in range(COUNT):
            message_id = uuid7()
            sent[message_id] = f"canary-{i:03}-{message_id[-12:]}"
            client.message(chat, message_id, sent[message_id])
            client.expect("RECEIPT", receipt_id=message_id)
    assert kithd.process is not None
    pid = kithd.process.pid
    assert kithd.stop() == 0
    wait_for_end(trace, pid)
    done = list(calls(trace))
    check(done, sent)
    with pytest.raises(AssertionError, match="no sync of"):  # and the check does see a missing one
        check([call for call in done if call.name != "fdatasync"], sent)


def check(done: list[Call], sent: dict[str, str]) -> None:
    receipts = {found[1]: call for call in done if call.name in OUTWARD
                for found in re.finditer(r"RECEIPT\\nreceipt-id:([0-9a-f-]{36})", call.text)}
    log_writes = [c for c in done if c.name == "pwrite64" and "/log/" in c.text.split(",")[0] and c.ok]
    syncs = [c for c in done if c.name in ("fdatasync", "fsync") and c.ok]
    for message_id, body in sent.items():
        receipt = receipts[message_id]
        written = [c for c in log_writes if body in c.text]
        assert written, f"{body} was never written to the log"
        file = written[0].text.split(",")[0]
        proof = [s for s in syncs if s.text.startswith(file) and s.began > written[0].ended and s.ended < receipt.began]
        assert proof, f"{body}: written at {written[0].ended}, acknowledged at {receipt.began}, no sync of {file} between"
