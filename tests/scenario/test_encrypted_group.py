"""Encrypted groups with the real kith: who is in one is what its members sign, and the server can read neither text nor name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kithd import Kithd, Problem
from refusing import Refusing
from test_cli_tour import Person
from test_encrypted_chat import link, me, register, texts

REFUSED = 3
QUEUED = 75
NO_ACCOUNT = 4


def people(kithd: Kithd, tmp_path: Path, *names: str) -> list[Person]:
    assert kithd.invite is not None
    first = register(kithd, names[0], tmp_path / names[0], kithd.invite)
    others = []
    for name in names[1:]:
        [invite] = first.lines("invite", "create")
        others.append(register(kithd, name, tmp_path / name, invite["code"]))
    return [first, *others]


def title(person: Person, chat_id: str) -> str:
    return str(next(c["name"] for c in person.lines("chat", "list") if c["chat_id"] == chat_id))


def roles(person: Person, chat: str) -> dict[str, str]:
    [shown] = person.lines("chat", "show", chat)
    return {m["user_id"]: m["role"] for m in shown["members"]}


def events(person: Person, chat: str) -> list[str]:
    return [line for line in person.run("history", chat).stdout.splitlines() if " * " in line]


def create(person: Person, name: str, *others: str) -> str:
    [made] = person.lines("chat", "create", "--group", "--name", name, *others)
    return str(made["chat_id"])


def test_a_group_of_five_from_its_making_to_its_end(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob, carl, dora, eve = people(kithd, tmp_path, "ann", "bob", "carl", "dora", "eve")
    chat = create(ann, "marker-name", "bob", "carl", "dora")
    ann.run("send", "marker-name", "marker-one")
    for person in (bob, carl, dora):
        assert title(person, chat) == "marker-name"
        assert texts(person, chat) == ["marker-one"]
    tablet = link(bob, "bob", tmp_path / "bob tablet", kithd.url)
    assert title(tablet, chat) == "marker-name"  # before anything is said there
    bob.run("send", "marker-name", "marker-two")
    assert texts(tablet, chat)[-1] == "marker-two"

    # Who is added reads what is said from then on, and the name; who is removed, nothing more, not even that.
    ann.run("chat", "add", "marker-name", "eve")
    assert title(eve, chat) == "marker-name"
    tablet.run("send", chat, "marker-three")
    assert texts(eve, chat) == ["marker-three"]
    assert texts(ann, chat) == ["marker-one", "marker-two", "marker-three"]
    ann.run("chat", "role", "marker-name", "carl", "admin")
    carl.run("chat", "remove", "marker-name", "bob")
    kithd.kill9()
    kithd.start()
    ann.run("chat", "rename", "marker-name", "marker-other-name")
    ann.run("send", chat, "marker-four")
    bob.run("send", chat, "marker-none", code=REFUSED)
    for person in (carl, dora, eve):
        assert title(person, chat) == "marker-other-name"
        assert texts(person, chat)[-1] == "marker-four"
    for removed in (bob, tablet):
        assert "marker-four" not in removed.run("history", chat).stdout

    # A member may not do what an admin may; the owner leaves, and the admin is the owner.
    dora.run("chat", "remove", chat, "eve", code=REFUSED)
    ann.run("chat", "leave", chat)
    assert roles(carl, chat)[me(carl)] == "owner"
    assert not [line for line in events(carl, chat) if "no member signed" in line]
    carl.run("chat", "add", chat, "ann")
    ann.run("send", chat, "marker-five")
    assert texts(eve, chat)[-1] == "marker-five"

    kithd.stop()
    for file in [*kithd.data.rglob("*"), *tmp_path.glob("*.log")]:
        if file.is_file():
            assert b"marker-" not in file.read_bytes(), file


def test_a_stolen_token_changes_no_group_and_does_not_stop_it(kithd: Kithd, tmp_path: Path) -> None:
    """One who may by the server's rules, but signs nothing, changes nothing."""
    ann, bob, carl = people(kithd, tmp_path, "ann", "bob", "carl")
    chat = create(ann, "three", "bob")
    # Whoever has the password has a token, and no key.
    token = kithd.rest("POST", "/auth/login", {"name": "ann", "password": "a good long password",
                                               "device_name": "a thief's"})["access_token"]
    ann.run("chat", "rename", chat, "four")
    [signed] = kithd.rest("GET", f"/chats/{chat}/operations?after=1", token=token)["operations"]
    member = {"user_id": me(carl)}
    tries = [("POST", "/members", member, "FORBIDDEN"),
             ("POST", "/members", member | {"signed_op": "bm90aGluZw==", "group_seq": 3}, "BAD_REQUEST"),
             ("PATCH", "", {"signed_op": signed["signed_op"], "group_seq": 2}, "BAD_SIGNATURE")]
    for method, tail, body, code in tries:
        with pytest.raises(Problem) as refused:
            kithd.rest(method, f"/chats/{chat}{tail}", body, token)
        assert refused.value.code == code
    assert not [line for line in events(bob, chat) if "no member signed" in line]
    ann.run("send", chat, "not for carl")
    ann.run("chat", "add", chat, "carl")
    ann.run("send", chat, "for carl, too")
    assert texts(bob, chat) == ["not for carl", "for carl, too"]
    assert texts(carl, chat) == ["for carl, too"]


def test_nobody_waits_for_a_member_without_devices(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob, carl = people(kithd, tmp_path, "ann", "bob", "carl")
    [invite] = ann.lines("invite", "create")
    dora = kithd.register("dora", invite["code"])  # by another program: no device of hers can read
    chat = create(ann, "four", "bob", "carl", "dora")
    ann.run("send", chat, "before she comes")
    assert texts(bob, chat) == ["before she comes"]

    # Her account's first device that can: it is written to from then on.
    first = Person(tmp_path / "dora", dora.password)
    first.run("account", "login", "--server", kithd.url, "dora")
    ann.run("send", chat, "when she is there")
    assert texts(first, chat)[-1] == "when she is there"

    # Somebody's account is deleted whom Bob has never written to.
    gone = kithd.rest("POST", "/auth/login", {"name": "carl", "password": carl.password, "device_name": "the last"})
    kithd.rest("DELETE", "/users/me", None, gone["access_token"])
    bob.run("send", chat, "to those who are left")
    ann.run("send", chat, "and again")
    for person in (ann, bob, first):
        assert texts(person, chat)[-2:] == ["to those who are left", "and again"]


def test_an_owner_deletes_the_account(kithd: Kithd, tmp_path: Path) -> None:
    """Somebody else is the owner then; and who comes later can still verify what was signed by who is no more."""
    ann, bob, carl, dora = people(kithd, tmp_path, "ann", "bob", "carl", "dora")
    chat = create(ann, "walks", "bob", "carl")
    ann.run("chat", "role", chat, "carl", "admin")
    ann.run("send", chat, "farewell")
    bob.run("send", "ann", "why?")
    assert "--confirm" in ann.run("account", "delete", code=2).stderr
    assert "Deleted." in ann.run("account", "delete", "--confirm").stdout
    ann.run("chat", "list", code=NO_ACCOUNT)
    assert roles(carl, chat)[me(carl)] == "owner"
    bob.run("send", "ann", "nobody is there to write to", code=REFUSED)
    tablet = link(bob, "bob", tmp_path / "tablet", kithd.url)
    carl.run("chat", "add", chat, "dora")
    carl.run("send", chat, "who is left")
    for person in (bob, tablet, dora):
        assert texts(person, chat)[-1] == "who is left"
        assert not [line for line in events(person, chat) if "no member signed" in line]
    tablet.run("send", chat, "and who came")
    assert texts(carl, chat)[-1] == "and who came"
    assert title(tablet, chat) == title(dora, chat) == "walks"


def op_count(person: Person, chat: str) -> int:
    [shown] = person.lines("chat", "show", chat)
    return int(shown["group_seq"])


def device_of(person: Person) -> str:
    [account] = person.lines("account", "show")
    return str(account["device_id"])


def test_who_removes_a_device_closes_the_groups_to_it(kithd: Kithd, tmp_path: Path) -> None:
    """One signed change in each group that the account may change. Where it fails is said, and the device is removed all the same."""
    with Refusing(kithd.url) as front:
        assert kithd.invite is not None
        ann = Person(tmp_path / "ann")
        ann.run("account", "register", "--server", front.url, "--invite", kithd.invite, "ann")
        [invite] = ann.lines("invite", "create")
        bob = register(kithd, "bob", tmp_path / "bob", invite["code"])
        tablet, laptop = (link(ann, "ann", tmp_path / name, kithd.url) for name in ("tablet", "laptop"))
        hers, his = create(ann, "hers", "bob"), create(bob, "his", "ann")
        nameless = str(ann.lines("chat", "create", "--group", "bob")[0]["chat_id"])
        tablet.run("chat", "rename", hers, "hers too")
        assert title(ann, hers) == title(bob, hers) == "hers too"

        told = ann.run("device", "remove", device_of(tablet))
        assert "The group 'hers too' is closed to it." in told.stdout
        assert told.stdout.count("is closed to it") == 2 and "his" not in told.stdout and told.stderr == ""
        assert [op_count(ann, chat) for chat in (hers, nameless, his)] == [3, 2, 1]
        # The others read the same name under its new key, and nobody is alarmed.
        for person in (bob, laptop):
            assert title(person, hers) == "hers too"
            assert not [line for line in events(person, hers) if "no member signed" in line]
        ann.run("send", hers, "without the tablet")
        assert texts(bob, hers) == texts(laptop, hers) == ["without the tablet"]

        front.refused = [f"PATCH /chats/{hers} ".encode()]
        told = ann.run("device", "remove", device_of(laptop), "--json")
        closed = [json.loads(line) for line in told.stdout.splitlines()]
        assert sorted((c["chat_id"], c["name"], c["closed"]) for c in closed) == \
            sorted([(hers, "hers too", False), (nameless, None, True)])
        [error] = [json.loads(line) for line in told.stderr.splitlines()]
        assert error["error"] == "the group 'hers too' is not closed to that device: Not just now"
        assert "kith chat rename" in error["hint"]
        assert [d["device_id"] for d in bob.lines("device", "list", "ann")] == [device_of(ann)]
        assert [op_count(ann, chat) for chat in (hers, nameless, his)] == [3, 3, 1]

        # The next one that connects does it, and only what is left; nothing of it is in the output that programs read.
        ann.run("history", his)
        assert [op_count(ann, chat) for chat in (hers, nameless, his)] == [3, 3, 1]
        front.refused = []
        told = ann.run("history", his)
        assert told.stderr == "The group 'hers too' is closed now to the device that was removed.\n" and "closed" not in told.stdout
        told = ann.run("history", his)
        assert told.stderr == "" and [op_count(ann, chat) for chat in (hers, nameless, his)] == [4, 3, 1]


def test_a_device_whose_removal_reaches_the_server_later(kithd: Kithd, tmp_path: Path) -> None:
    """The list goes up with a later command, and the groups are closed by that one."""
    with Refusing(kithd.url) as front:
        assert kithd.invite is not None
        ann = Person(tmp_path / "ann")
        ann.run("account", "register", "--server", front.url, "--invite", kithd.invite, "ann")
        [invite] = ann.lines("invite", "create")
        register(kithd, "bob", tmp_path / "bob", invite["code"])
        tablet = link(ann, "ann", tmp_path / "tablet", kithd.url)
        hers = create(ann, "hers", "bob")
        front.refused = [b"PUT /devices/me/keys "]
        told = ann.run("device", "remove", device_of(tablet), code=QUEUED)
        assert "no group of yours is closed to that device yet" in told.stderr and "The next kith" in told.stderr
        assert op_count(ann, hers) == 1
        ann.run("chat", "show", hers)  # the list cannot go up: nothing is signed under it
        front.refused = []
        told = ann.run("history", hers)
        assert told.stderr == "The group 'hers' is closed now to the device that was removed.\n"
        assert op_count(ann, hers) == 2
        assert ann.run("history", hers).stderr == "" and op_count(ann, hers) == 2
