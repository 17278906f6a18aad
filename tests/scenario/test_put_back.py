"""A device whose state folder is put back from a copy: what it cannot read any more it asks for, and it is given again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kithd import Kithd
from test_cli_tour import Person
from test_encrypted_chat import link, texts, two_people
from test_encrypted_group import create, people
from test_large_group import OTHERS, crowd

MARKER = "marker-put-back"
ASKED = "its device is asked for it again"
LATE = "(came late: its device was asked for it again)"
CONNECTIONS_MAX = 6  # of each: a request or an answer may come just when a kith ends


def keep(person: Person) -> Path:
    copy = person.state.with_name(person.state.name + " copy")
    shutil.copytree(person.state, copy)
    return copy


def put_back(person: Person, copy: Path) -> None:
    shutil.rmtree(person.state)
    shutil.copytree(copy, person.state)


def until_read(reader: Person, author: Person, chats: tuple[str, str], text: str) -> None:
    """Both connect in turn, and the reader has it in the end: at first not, and that its device is asked for it."""
    assert text not in texts(reader, chats[0])
    assert ASKED in reader.run("history", chats[0]).stdout
    for _ in range(CONNECTIONS_MAX):
        author.run("history", chats[1])
        if text in texts(reader, chats[0]):
            return
    pytest.fail(reader.run("history", chats[0]).stdout)


def assert_unread(kithd: Kithd) -> None:
    kithd.stop()
    for file in kithd.data.rglob("*"):
        if file.is_file():
            assert MARKER.encode() not in file.read_bytes(), file


def talk(ann: Person, bob: Person, first: int, count: int) -> None:
    for n in range(first, first + count):
        writer, reader = (ann, bob) if n % 2 else (bob, ann)
        writer.run("send", "bob" if n % 2 else "ann", f"{MARKER}-{n}")
        assert texts(reader, "ann" if n % 2 else "bob")[-1] == f"{MARKER}-{n}"


def test_what_is_written_to_one_put_back_is_read_in_its_place(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    talk(ann, bob, 1, 3)
    copy = keep(bob)
    talk(ann, bob, 4, 4)
    put_back(bob, copy)

    ann.run("send", "bob", f"{MARKER}-8 & more")
    until_read(bob, ann, ("ann", "bob"), f"{MARKER}-8 & more")
    kithd.kill9()
    kithd.start()
    talk(ann, bob, 9, 4)
    shown = bob.run("history", "ann").stdout
    assert shown.count(LATE) == 1 and ASKED not in shown
    lines = [line for line in shown.splitlines() if MARKER in line or LATE in line]
    assert [line.split(MARKER)[-1] for line in lines[:4]] == ["-1", "-2", "-3", "-8 & more"]
    assert LATE in lines[4] and lines[5].endswith(f"{MARKER}-9")
    [late] = [m for m in bob.lines("history", "ann") if m.get("late")]
    assert late["content"] == f"{MARKER}-8 & more"
    assert ann.lines("outbox", "list") == [] and bob.lines("outbox", "list") == []
    assert_unread(kithd)


def test_what_one_put_back_writes_is_asked_for_by_the_other(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    talk(ann, bob, 1, 3)
    copy = keep(bob)
    talk(ann, bob, 4, 4)
    put_back(bob, copy)

    bob.run("send", "ann", f"{MARKER}-8")
    until_read(ann, bob, ("bob", "ann"), f"{MARKER}-8")
    talk(ann, bob, 9, 4)
    assert texts(ann, "bob") == [f"{MARKER}-{n}" for n in range(1, 13)]
    assert_unread(kithd)


def test_what_was_deleted_is_not_given_again(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    talk(ann, bob, 1, 3)
    copy = keep(bob)
    talk(ann, bob, 4, 4)
    put_back(bob, copy)

    ann.run("send", "bob", f"{MARKER}-regret")
    ann.run("send", "bob", f"{MARKER}-9")
    [regret] = [m for m in ann.lines("history", "bob") if m["content"] == f"{MARKER}-regret"]
    ann.run("delete", "bob", str(regret["seq"]))
    until_read(bob, ann, ("ann", "bob"), f"{MARKER}-9")
    for _ in range(2):
        ann.run("history", "bob")
        assert f"{MARKER}-regret" not in texts(bob, "ann")


def test_in_a_group_every_member_is_asked_for_its_own(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob, carl = people(kithd, tmp_path, "ann", "bob", "carl")
    tablet = link(ann, "ann", tmp_path / "tablet", kithd.url)
    chat = create(ann, f"{MARKER}-name", "bob", "carl")
    everybody = (ann, bob, carl, tablet)
    for n, person in enumerate(everybody):
        person.run("send", chat, f"{MARKER}-{n}")
    assert len(texts(bob, chat)) == 4
    copy = keep(bob)
    for n, person in enumerate(everybody):
        person.run("send", chat, f"{MARKER}-more-{n}")
        for reader in everybody:
            assert texts(reader, chat)[-1] == f"{MARKER}-more-{n}"
    put_back(bob, copy)

    for n, person in ((0, ann), (2, carl), (3, tablet)):
        person.run("send", chat, f"{MARKER}-last-{n}")
    for n, person in ((0, ann), (2, carl), (3, tablet)):
        for _ in range(CONNECTIONS_MAX):
            if f"{MARKER}-last-{n}" in texts(bob, chat):
                break
            person.run("history", chat)
    assert texts(bob, chat)[-3:] == [f"{MARKER}-last-{n}" for n in (0, 2, 3)]
    bob.run("send", chat, f"{MARKER}-thanks")
    for reader in (ann, carl, tablet):
        for _ in range(CONNECTIONS_MAX):
            if f"{MARKER}-thanks" in texts(reader, chat):
                break
            bob.run("history", chat)
        assert texts(reader, chat)[-1] == f"{MARKER}-thanks"
    assert_unread(kithd)


def test_in_a_large_group_the_chain_is_given_anew(kithd: Kithd, tmp_path: Path) -> None:
    ann, others = crowd(kithd, tmp_path)
    chat = create(ann, f"{MARKER}-name", *(f"p{i}" for i in range(OTHERS)))
    bob = others[0]
    ann.run("send", chat, f"{MARKER}-one")
    bob.run("send", chat, f"{MARKER}-two")
    assert texts(bob, chat) == texts(ann, chat) == [f"{MARKER}-one", f"{MARKER}-two"]
    copy = keep(bob)
    ann.run("send", chat, f"{MARKER}-three")
    bob.run("send", chat, f"{MARKER}-four")
    assert texts(ann, chat)[-1] == texts(bob, chat)[-1] == f"{MARKER}-four"
    put_back(bob, copy)

    # Of a chain the reader steps over what it has not got; it is what it writes itself that comes with keys which were used.
    ann.run("send", chat, f"{MARKER}-five")
    assert texts(bob, chat)[-1] == f"{MARKER}-five"
    bob.run("send", chat, f"{MARKER}-six")
    until_read(ann, bob, (chat, chat), f"{MARKER}-six")
    bob.run("send", chat, f"{MARKER}-seven")
    assert texts(ann, chat)[-2:] == [f"{MARKER}-six", f"{MARKER}-seven"]
    assert texts(others[1], chat)[-1] == f"{MARKER}-seven"
    assert_unread(kithd)
