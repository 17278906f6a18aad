"""A group with as many members as it may have: one send reaches all, the absent one later; one more person is CHAT_FULL.

With KITH_FULL=1 it has the 1,024 of the default configuration; that many accounts take minutes of password hashing, so
the usual run lowers group.members_max to 64.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from kithd import Kithd, Problem
from stomp import Stomp
from uuid7 import uuid7

FULL = os.environ.get("KITH_FULL") == "1"
MEMBERS = 1024 if FULL else 64


@pytest.mark.timeout(1200 if FULL else 300)
def test_a_full_group_hears_everything_and_takes_nobody_more(make_kithd: Callable[..., Kithd]) -> None:
    flags = [] if FULL else ["--group.members_max", str(MEMBERS)]
    kithd = make_kithd("--registration", "open", *flags)
    with ThreadPoolExecutor(8) as pool:
        owner, *others = pool.map(kithd.register, [f"person{i}" for i in range(MEMBERS + 1)])
    one_more = others.pop()
    absent = others[-1]
    chat = kithd.chat(owner, *others, group=True, name="everybody")
    with pytest.raises(Problem) as refused:
        kithd.rest("POST", f"/chats/{chat}/members", {"user_id": one_more.user_id}, owner.access_token)
    assert (refused.value.status, refused.value.code) == (409, "CHAT_FULL")
    with pytest.raises(Problem) as refused:
        kithd.chat(one_more, owner, *others, group=True)
    assert (refused.value.status, refused.value.code) == (409, "CHAT_FULL")

    message_id = uuid7()
    sockets: list[Stomp] = []
    try:
        for account in others[:-1]:
            sockets.append(Stomp(kithd.ws_url, account.access_token))
            sockets[-1].subscribe("/inbox")
        for member in sockets:  # the making of the group has come: they are live
            member.expect("MESSAGE", type="created")
        with Stomp(kithd.ws_url, owner.access_token) as sender:
            sender.message(chat, message_id, "hear, hear")
            seq = sender.expect("RECEIPT", receipt_id=message_id).headers["seq"]
        for member in sockets:
            frame = member.expect("MESSAGE", client_id=message_id)
            assert (frame.headers["seq"], frame.body) == (seq, b"hear, hear")
            member.ack(frame)
    finally:
        for member in sockets:
            member.close()
    with Stomp(kithd.ws_url, absent.access_token) as member:
        member.subscribe("/inbox")
        member.expect("MESSAGE", type="created")
        assert member.expect("MESSAGE", client_id=message_id).headers["seq"] == seq

    # With somebody gone there is room for one again.
    kithd.rest("DELETE", f"/chats/{chat}/members/{absent.user_id}", token=owner.access_token)
    kithd.rest("POST", f"/chats/{chat}/members", {"user_id": one_more.user_id}, owner.access_token)
