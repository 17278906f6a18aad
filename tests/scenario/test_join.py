"""Invite links of encrypted groups, with the real kith: who has one is let in by whatever device of an admin is connected."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kithd import Kithd, program
from test_cli_tour import Person
from test_encrypted_chat import link as link_device
from test_encrypted_chat import me, texts
from test_encrypted_group import REFUSED, create, events, people, roles, title

USAGE = 2


def link_of(person: Person, chat: str, *more: str) -> str:
    [made] = person.lines("chat", "link", chat, *more)
    return str(made["link"])


def asks(person: Person, link: str) -> bool:
    """Whether they are in already: nobody who lets people in is connected."""
    [asked] = person.lines("chat", "join", link, "--timeout", "0")
    return bool(asked["member"])


def secrets_of(link: str) -> list[bytes]:
    """All spellings of it that a file could have."""
    text = link.split("#", 1)[1]
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    secret = raw[17:49]
    return [text.encode(), secret, secret.hex().encode(), base64.b64encode(secret).rstrip(b"=")]


def test_who_has_the_link_joins(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob, carl, dora = people(kithd, tmp_path, "ann", "bob", "carl", "dora")
    chat = create(ann, "marker-walks", "bob")
    ann.run("send", chat, "marker-before")
    link = link_of(ann, chat)
    assert link.startswith(f"{kithd.url}/join#")
    assert link_of(ann, chat) == link  # the same for as long as it holds
    assert "Whoever has its invite link can join" in ann.run("security", chat).stdout
    assert ann.lines("security", chat)[0]["invite_link"] is True
    shown = ann.run("chat", "link", chat).stdout
    assert link in shown and "kith chat link" in shown

    # Nobody is connected who could let Carl in; whoever connects then does.
    assert "Asked." in carl.run("chat", "join", link, "--timeout", "0").stdout
    assert chat not in [c["chat_id"] for c in carl.lines("chat", "list")]
    bob.run("history", chat)  # a member lets nobody in
    assert chat not in [c["chat_id"] for c in carl.lines("chat", "list")]
    ann.run("history", chat)
    assert title(carl, chat) == "marker-walks"
    carl.run("send", chat, "marker-thanks")
    for person in (ann, bob, carl):
        assert texts(person, chat)[-1] == "marker-thanks"
        assert not [line for line in events(person, chat) if "no member signed" in line]
    assert texts(carl, chat) == ["marker-thanks"]
    said = [line.split(" * ")[1] for line in events(bob, chat)]
    assert said[-3:] == ["ann made an invite link", "carl asks to join by the invite link", "ann let in carl"]
    assert roles(ann, chat)[me(carl)] == "member"
    assert asks(carl, link)  # who is in it already hears so

    # While an admin is connected, it is at once.
    bob.run("chat", "role", chat, "carl", "admin", code=REFUSED)
    ann.run("chat", "role", chat, "bob", "admin")
    assert not asks(dora, link)
    bob.run("history", chat)
    assert title(dora, chat) == "marker-walks"

    kithd.stop()
    for file in [*kithd.data.rglob("*"), *tmp_path.glob("*.log")]:
        if not file.is_file():
            continue
        held = file.read_bytes()
        assert b"marker-" not in held, file
        assert not [spelling for spelling in secrets_of(link) if spelling in held], file


def test_a_link_ends(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob, carl, dora = people(kithd, tmp_path, "ann", "bob", "carl", "dora")
    chat = create(ann, "walks", "bob")
    assert "your role" in bob.run("chat", "link", chat, code=REFUSED).stderr  # a member makes none, and sees none
    first = link_of(ann, chat)

    # Who leaves may come back by it; who is removed may not, nor may anybody else.
    assert not asks(carl, first)
    ann.run("history", chat)
    carl.run("chat", "leave", chat)
    assert not asks(carl, first)
    ann.run("history", chat)
    carl.run("send", chat, "back")
    assert texts(bob, chat)[-1] == "back"
    ann.run("chat", "remove", chat, "carl")
    refused = carl.run("chat", "join", first, "--timeout", "0", code=REFUSED)
    assert "its invite link has ended" in refused.stderr
    dora.run("chat", "join", first, "--timeout", "0", code=REFUSED)

    # A new one ends the one before. Only the device that made it can show it.
    second = link_of(ann, chat)
    ann.run("chat", "role", chat, "bob", "admin")
    refused = bob.run("chat", "link", chat, code=REFUSED)
    assert "made by another device" in refused.stderr and "--new" in refused.stderr
    third = link_of(bob, chat, "--new")
    dora.run("chat", "join", second, "--timeout", "0", code=REFUSED)
    tablet = link_device(bob, "bob", tmp_path / "tablet", kithd.url)
    assert not asks(dora, third)
    tablet.run("history", chat)  # any device of an admin lets people in, also one that has read nothing of the group
    dora.run("send", chat, "by the third")
    assert texts(ann, chat)[-1] == "by the third"
    assert "your role" in dora.run("chat", "link", chat, code=REFUSED).stderr
    assert "cannot be given together" in ann.run("chat", "link", chat, "--new", "--end", code=2).stderr
    assert "has ended" in ann.run("chat", "link", chat, "--end").stdout
    assert events(bob, chat)[-1].endswith("ann ended the invite link")
    assert bob.lines("security", chat)[0]["invite_link"] is False
    carl.run("chat", "join", third, "--timeout", "0", code=REFUSED)


@contextmanager
def connected(*people: Person) -> Iterator[None]:
    """All of them online all the while, reading."""
    with ExitStack() as stack:
        for person in people:
            reading = stack.enter_context(subprocess.Popen([str(program("kith")), "tail", "--json"], stdin=subprocess.DEVNULL,
                                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                                           env={**os.environ, "KITH_STATE": str(person.state)}))
            stack.callback(reading.kill)
        yield


def test_devices_of_several_admins_are_connected(kithd: Kithd, tmp_path: Path) -> None:
    """Whoever asks is let in once, whichever of the devices is there."""
    ann, bob, *others = people(kithd, tmp_path, "ann", "bob", "carl", "dora", "emma")
    chat = create(ann, "walks", "bob")
    ann.run("chat", "role", chat, "bob", "admin")
    invite = link_of(ann, chat)
    tablet = link_device(bob, "bob", tmp_path / "tablet", kithd.url)
    devices = (ann, bob, tablet)
    with connected(*devices):
        for person in others[:2]:
            assert person.lines("chat", "join", invite, "--timeout", "60")[0]["member"] is True
    for alone in devices:  # one of them is the first of all, and two are not
        assert not asks(others[2], invite)
        with connected(alone):
            assert others[2].lines("chat", "join", invite, "--timeout", "60")[0]["member"] is True
        others[2].run("chat", "leave", chat)
    said = [line.split(" * ")[1] for line in events(ann, chat)]
    assert [line.partition(" let in ")[2] for line in said if " let in " in line] == ["carl", "dora", "emma", "emma", "emma"]
    for person in others[:2]:
        person.run("send", chat, "here")
    assert texts(tablet, chat) == ["here", "here"]


def test_what_is_no_link_of_this_server(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob, carl = people(kithd, tmp_path, "ann", "bob", "carl")
    chat = create(ann, "walks", "bob")
    link = link_of(ann, chat)
    whole = link.split("#", 1)[1]
    newer = base64.urlsafe_b64encode(b"\2" + base64.urlsafe_b64decode(whole + "=")[1:]).decode().rstrip("=")
    for bad, why in [("walks", "no invite link"), (link[:-1], "not whole"), (link + "A", "not whole"), (link[:-1] + "!", "not whole"),
                     (f"https://chat.example/join#{whole}", "another server's"), (f"{kithd.url}/join#{newer}", "newer kith")]:
        assert why in carl.run("chat", "join", bad, code=USAGE).stderr, bad
    [made] = ann.lines("chat", "create", "--group", "--unencrypted", "--name", "open", "bob")
    assert "encrypted groups" in ann.run("chat", "link", made["chat_id"], code=REFUSED).stderr
    assert not [line for line in events(bob, chat) if "asks to join" in line]
