"""The limits that the core applies are in the log: another configuration does not change what was decided under the old."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from kithd import Account, Kithd, Problem


def add(kithd: Kithd, owner: Account, chat: str, person: Account) -> None:
    kithd.rest("POST", f"/chats/{chat}/members", {"user_id": person.user_id}, owner.access_token)


def members(kithd: Kithd, owner: Account, chat: str) -> int:
    return len(kithd.rest("GET", f"/chats/{chat}", token=owner.access_token)["members"])


def test_a_replay_under_another_configuration_gives_the_same_chats(make_kithd: Callable[..., Kithd]) -> None:
    kithd = make_kithd("--group.members_max", "3")
    ann, bob, carl, dora = kithd.people("ann", "bob", "carl", "dora")
    chat = kithd.chat(ann, bob, carl, group=True)
    with pytest.raises(Problem) as refused:
        add(kithd, ann, chat, dora)
    assert refused.value.code == "CHAT_FULL"

    # The store is a projection of the log: without it, all is applied again, and the refusal is refused again.
    assert kithd.stop() == 0
    shutil.rmtree(kithd.data / "messages")
    kithd.flags = []
    kithd.start()
    assert members(kithd, ann, chat) == 3
    add(kithd, ann, chat, dora)
    assert members(kithd, ann, chat) == 4

    # And the other way round: what fitted in stays in.
    kithd.kill9()
    shutil.rmtree(kithd.data / "messages")
    kithd.flags = ["--group.members_max", "3"]
    kithd.start()
    assert members(kithd, ann, chat) == 4
