"""Senders are killed at any instant, and the server once: what was reported sent or queued is at both devices of the other, once, in order."""

from __future__ import annotations

import os
import random
import secrets
import time
from pathlib import Path

import pytest

from keeper import Keeper, keepers
from kithd import Kithd
from test_cli_tour import Person
from test_encrypted_chat import link

MESSAGES = 1000 if os.environ.get("KITH_FULL") == "1" else 60
SEED = int(os.environ.get("KITH_SEED", "6"))
SENT, QUEUED, KILLED = 0, 75, -9
AWAY = 3  # messages that are written while the server is dead


def heard(person: Person) -> list[str]:
    """What ann wrote. Nothing of it is unreadable, and none is known to be missing."""
    shown = [m for m in person.lines("history", "ann", "--all") if m["type"] == "message"]
    assert not [m for m in shown if m["content"] is None or m.get("missed", 0) > 0]
    return [m["content"] for m in shown if m["content"] != "hello"]


class Sender:
    """Ann, one `kith send` after another, and what each of them came to."""

    def __init__(self, person: Keeper, rng: random.Random, takes: float) -> None:
        self.person = person
        self.rng = rng
        self.takes = takes
        self.texts: list[str] = []
        self.codes: list[int] = []

    def send(self, is_killed: bool, server: Kithd | None = None) -> None:
        """With a server, that is killed at some instant instead."""
        self.texts.append(f"{len(self.texts)} {secrets.token_hex(12)}")
        sender = self.person.start("send", "bob", self.texts[-1], "--timeout", "1")
        if is_killed or server is not None:
            time.sleep(self.rng.uniform(0, 1.1) * self.takes)
        if server is not None:
            server.kill9()
        elif is_killed:
            sender.kill()
        self.codes.append(sender.wait(60))
        assert self.codes[-1] in (SENT, QUEUED, KILLED)

    def reported(self) -> set[str]:
        return {text for text, code in zip(self.texts, self.codes, strict=True) if code in (SENT, QUEUED)}


def once_and_in_order(sender: Sender, got: list[str]) -> None:
    numbers = [int(text.split()[0]) for text in got]
    assert numbers == sorted(set(numbers))
    assert [sender.texts[number] for number in numbers] == got
    assert sender.reported() <= set(got)


@pytest.mark.timeout(60 + 3 * MESSAGES)
def test_what_was_reported_is_at_both_devices(kithd: Kithd, tmp_path: Path) -> None:
    print(f"SEED={SEED}")  # KITH_SEED
    rng = random.Random(SEED)
    ann, phone = keepers(kithd, tmp_path, "ann", "bob")
    tablet = link(phone, "bob", tmp_path / "tablet", kithd.url)
    phone.run("send", "ann", "hello")
    began = time.monotonic()
    ann.run("send", "bob", "hello")
    sender = Sender(ann, rng, time.monotonic() - began)
    for number in range(MESSAGES // 2):
        sender.send(rng.random() < 0.4)
        if number == MESSAGES // 4:
            heard(phone)
    sender.send(False, kithd)
    for number in range(AWAY):
        sender.send(number > 0 and rng.random() < 0.4)
    kithd.start()
    while len(sender.texts) < MESSAGES:
        sender.send(rng.random() < 0.4)
    ann.run("send", "bob", "hello", "--timeout", "60")
    assert ann.lines("outbox", "list") == []

    assert {SENT, QUEUED, KILLED} == set(sender.codes)
    got = heard(phone)
    once_and_in_order(sender, got)
    assert heard(tablet) == got
    kithd.stop()
    everything = b"".join(file.read_bytes() for file in kithd.data.rglob("*") if file.is_file()) + kithd.text().encode()
    assert len(everything) > 100_000
    assert not [text for text in sender.texts if text.split()[1].encode() in everything]
