"""A member whose client lies: what no reader takes the server does not put into the group's order, so the group goes on for all others."""

from __future__ import annotations

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from device_keys import list_hash, text
from kithd import Kithd, Problem
from made_people import MadePerson, now_ms
from model import group, group_steps
from model.group import ADD, INFO, LEAVE, MEMBER, REMOVE, ROLE
from test_cli_tour import Person
from test_encrypted_chat import me, texts
from test_encrypted_group import create, events, title

INFO_BYTES = bytes(range(60))  # sealed, as far as a reader without the key can tell


class Liar:
    """Somebody in a chat whose device signs whatever it is told to."""

    def __init__(self, person: MadePerson, chat: str) -> None:
        self.person, self.chat = person, chat
        self.token = person.devices[0].access_token

    def known(self) -> group.Group:
        known: group.Group | None = None
        page = self.person.kithd.rest("GET", f"/chats/{self.chat}/operations?limit=200", token=self.token)
        for row in page["operations"]:
            _, known = group.take(known, base64.b64decode(row["signed_op"]), None)
        assert known is not None and not page["more"]
        return known

    def signed(self, known: group.Group, kind: int, **changed: Any) -> dict[str, Any]:
        """What goes with the call. The state that it leads to is right, if that is not changed: only the rules are not asked."""
        keys, fields = self.person.keys, self.person.fields
        raw = group_steps.forged_op(known, keys, kind, author_device=1, list_seq=fields["seq"], list_hash=list_hash(fields),
                                    made_at=now_ms(), **changed)
        return {"signed_op": text(group.signed_encode(raw, keys.dsk_seed(1))), "group_seq": known.state.seq + 1}

    def call(self, method: str, tail: str, body: dict[str, Any]) -> Any:
        return self.person.kithd.rest(method, f"/chats/{self.chat}{tail}", body, self.token)

    def refused(self, code: str, method: str, tail: str, body: dict[str, Any]) -> str:
        """Why, as people are told it."""
        with pytest.raises(Problem) as refused:
            self.call(method, tail, body)
        assert refused.value.code == code
        assert refused.value.body["pointer"] == "/signed_op"
        return str(refused.value.body["detail"])


def account_of(user_id: str) -> bytes:
    return bytes.fromhex(user_id.replace("-", ""))


def lies(liars: tuple[Liar, Liar], ann: str, stranger: str) -> None:
    """By an admin and a member; ann is the owner. Nothing of it is taken."""
    admin, member = liars
    known = admin.known()
    wrong = {"state_hash": bytes(32)}
    of_ann, of_stranger = account_of(ann), account_of(stranger)
    for body in (admin.signed(known, INFO, info=INFO_BYTES, **wrong), admin.signed(known, INFO, **wrong)):
        assert "state_hash" in admin.refused("BAD_REQUEST", "PATCH", "", body)
    assert "state_hash" in admin.refused(
        "BAD_REQUEST", "POST", "/members", admin.signed(known, ADD, subject=of_stranger, role=MEMBER, **wrong) | {"user_id": stranger})
    # To leave is what every member may, and was enough to stop a group.
    assert "state_hash" in member.refused("BAD_REQUEST", "POST", "/leave", member.signed(known, LEAVE, **wrong))
    member.refused("FORBIDDEN", "POST", "/members", member.signed(known, ADD, subject=of_stranger, role=MEMBER) | {"user_id": stranger})
    member.refused("FORBIDDEN", "PATCH", "", member.signed(known, INFO, info=INFO_BYTES))
    admin.refused("FORBIDDEN", "DELETE", f"/members/{ann}", admin.signed(known, REMOVE, subject=of_ann))
    admin.refused("FORBIDDEN", "PATCH", f"/members/{ann}", admin.signed(known, ROLE, subject=of_ann, role=MEMBER) | {"role": "member"})
    assert admin.known() == known


def test_the_group_goes_on(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    kithd = make_kithd("--registration", "open")
    ann, carl = (Person(tmp_path / name) for name in ("ann", "carl"))
    for person, name in ((ann, "ann"), (carl, "carl")):
        person.run("account", "register", "--server", kithd.url, name)
    bob, dora = MadePerson(kithd, "bob"), MadePerson(kithd, "dora")
    chat = create(ann, "walks", "bob", "dora")
    ann.run("chat", "role", chat, "bob", "admin")
    liars = Liar(bob, chat), Liar(dora, chat)
    stranger = kithd.register("eve").user_id

    lies(liars, me(ann), stranger)
    ann.run("chat", "rename", chat, "longer walks")
    kithd.kill9()
    kithd.start()  # and knows of the group what is stored
    lies(liars, me(ann), stranger)
    ann.run("chat", "add", chat, "carl")
    lies(liars, me(ann), stranger)
    kithd.kill9()
    kithd.start()

    # What the same devices sign by the rules is taken, and who is in the group reads it.
    admin, member = liars
    admin.call("PATCH", "", admin.signed(admin.known(), INFO))
    member.call("POST", "/leave", member.signed(member.known(), LEAVE))
    ann.run("send", chat, "we go on")
    for person in (ann, carl):
        assert texts(person, chat)[-1] == "we go on"
        assert not [line for line in events(person, chat) if "no member signed" in line]
    carl.run("send", chat, "all of us")
    assert texts(ann, chat)[-1] == "all of us"


def test_of_two_admins_at_once_one_is_first(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    kithd = make_kithd("--registration", "open")
    ann = Person(tmp_path / "ann")
    ann.run("account", "register", "--server", kithd.url, "ann")
    people = [MadePerson(kithd, name) for name in ("bob", "dora")]
    chat = create(ann, "walks", "bob", "dora")
    for name in ("bob", "dora"):
        ann.run("chat", "role", chat, name, "admin")
    admins = [Liar(person, chat) for person in people]

    def change(admin: Liar, known: group.Group) -> str:
        try:
            admin.call("PATCH", "", admin.signed(known, INFO))
        except Problem as refused:
            return refused.code
        return "OK"

    with ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            known = admins[0].known()
            assert sorted(pool.map(change, admins, (known, known))) == ["OK", "STALE_GROUP"]
            assert admins[1].known().state.seq == known.state.seq + 1
    ann.run("chat", "rename", chat, "longer walks")
    assert title(ann, chat) == "longer walks"
