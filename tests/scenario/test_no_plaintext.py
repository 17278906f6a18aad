"""E2E-33: a thousand markers go through the server, in a chat of two and in a group, and none is anywhere in what it keeps or says."""

from __future__ import annotations

import secrets
from pathlib import Path

from kithd import Kithd
from test_cli_tour import Person
from test_encrypted_chat import link
from test_encrypted_group import create, people

MESSAGES, MARKERS = 5, 25  # of each of eight senders, and in each message


def said(person: Person, chat: str) -> list[str]:
    texts = [" ".join(secrets.token_hex(12) for _ in range(MARKERS)) for _ in range(MESSAGES)]
    for text in texts:
        person.run("send", chat, text)
    return texts


def heard(person: Person, chat: str) -> list[str]:
    return sorted(m["content"] for m in person.lines("history", chat, "--all") if m["type"] == "message")


def test_e2e_33_the_server_has_none_of_a_thousand_markers(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob, carl, dora, eve = people(kithd, tmp_path, "ann", "bob", "carl", "dora", "eve")
    tablet = link(ann, "ann", tmp_path / "tablet", kithd.url)
    laptop = link(bob, "bob", tmp_path / "laptop", kithd.url)
    ann.run("chat", "create", "bob")
    name = secrets.token_hex(12)
    group = create(ann, name, "bob", "carl", "dora", "eve")

    two = ((ann, "bob"), (tablet, "bob"), (bob, "ann"), (laptop, "ann"))
    pair = [text for person, other in two for text in said(person, other)]
    in_group = [text for person in (ann, tablet, laptop, eve) for text in said(person, group)]
    markers = [marker for text in [*pair, *in_group] for marker in text.split()]
    assert len(set(markers)) == 1000
    for person, other in two:
        assert heard(person, other) == sorted(pair)
    for person in (ann, tablet, bob, laptop, carl, dora, eve):
        assert heard(person, group) == sorted(in_group)

    kithd.stop()
    everything = b"".join(file.read_bytes() for file in kithd.data.rglob("*") if file.is_file()) + kithd.text().encode()
    assert len(everything) > 1_000_000
    assert not [marker for marker in [*markers, name] if marker.encode() in everything]
