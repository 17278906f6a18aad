"""What `kith security` says of a chat: who is in it, with which devices, how it is encrypted, and who changed the group last."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from kithd import Kithd
from test_cli_tour import Person
from test_encrypted_chat import link, me
from test_encrypted_group import create, device_of, people


def screen(person: Person, chat: str) -> list[str]:
    """Without what differs in each run: times, which are of today, and the numbers and ids of devices."""
    shown = re.sub(r"\b\d\d:\d\d\b", "TIME", person.run("security", chat).stdout)
    return re.sub(r"device \d+( \([0-9a-f]{8}\))?", r"device N", shown).splitlines()


def his_of(ann: Person) -> dict[str, Any]:
    return next(line for line in ann.lines("security", "bob")[1:] if line["user_id"] != me(ann))


def test_a_chat_of_two(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = people(kithd, tmp_path, "ann", "bob")
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "hello")
    bob.run("send", "ann", "hello to you")
    tablet = link(bob, "bob", tmp_path / "tablet", kithd.url)
    ann.run("verify", "bob", "--confirm")
    gone = next(d["device"] for d in his_of(ann)["devices"] if d["device_id"] == device_of(tablet))
    bob.run("device", "remove", device_of(tablet))
    ann.run("device", "list", "bob")
    shown = screen(ann, "bob")
    assert shown[:2] == ["End-to-end encrypted, 2 people.", "Each message is one ciphertext for each device."]
    hers, his = shown.index("  you"), shown.index("  bob: verified")
    assert shown[hers + 1] == "    device N  since TIME  this device  signs the list"
    assert shown[his + 1:his + 3] == ["    device N  since TIME  signs the list", "    removed: device N"]
    chat, *members = ann.lines("security", "bob")
    assert (chat["encrypted"], chat["group"]) == (True, False)
    known = his_of(ann)
    assert (known["trust"], known["was_reset"], known["reset_at"], known["removed"]) == ("verified", False, None, [gone])
    [device] = known["devices"]
    assert (device["device_id"], device["manager"], device["accepted"], device["this_device"]) == \
        (device_of(bob), True, True, False)
    assert device["added_at"].endswith("Z")

    # Nothing of it needs the server.
    kithd.stop()
    assert ann.lines("security", "bob") == [chat, *members]


def test_a_group(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = people(kithd, tmp_path, "ann", "bob")
    tablet = link(ann, "ann", tmp_path / "tablet", kithd.url)
    chat = create(ann, "walks", "bob")
    ann.run("send", chat, "hello")
    tablet.run("history", chat)
    tablet.run("chat", "rename", chat, "long walks")
    ann.run("history", chat)
    shown = screen(ann, chat)
    assert shown[:3] == ["End-to-end encrypted, 2 people.", "Each message is one ciphertext for each device.",
                         "Its newest change is number 2, signed by you with device N, TIME."]
    assert "  bob: known, not verified" in shown
    [head, *members] = ann.lines("security", chat)
    assert (head["group"], head["forked"], head["member"], head["encrypted_for"]) == (True, False, True, "each_device")
    assert head["newest_change"].items() >= {"group_seq": 2, "signed_by": me(ann)}.items()
    hers = next(m for m in members if m["user_id"] == me(ann))
    assert head["newest_change"]["device"] == next(d["device"] for d in hers["devices"] if not d["this_device"])
    assert sorted(len(m["devices"]) for m in members) == [1, 2]
    assert "chain" not in head


def test_a_chat_that_is_open_says_so(kithd: Kithd, tmp_path: Path) -> None:
    ann, _ = people(kithd, tmp_path, "ann", "bob")
    [made] = ann.lines("chat", "create", "bob", "--unencrypted")
    assert screen(ann, made["chat_id"]) == ["NOT encrypted: the server can read this chat."]
    assert [line["encrypted"] for line in ann.lines("security", made["chat_id"])] == [False]


ANEW = "one of their devices began a new session with this one, though it had one (see kith security)"


def test_a_session_that_is_begun_anew(kithd: Kithd, tmp_path: Path) -> None:
    """Bob puts an old copy of his folder back, from before he wrote: three times, and once too often."""
    ann, bob = people(kithd, tmp_path, "ann", "bob")
    ann.run("chat", "create", "bob")
    bob.run("chat", "list")
    shutil.copytree(bob.state, tmp_path / "bare")
    bob.run("send", "ann", "text 0")
    ann.run("history", "bob")
    assert his_of(ann)["devices"][0]["began_anew"] == []
    for n in range(1, 5):
        shutil.rmtree(bob.state)
        shutil.copytree(tmp_path / "bare", bob.state)
        bob.run("send", "ann", f"text {n}")
        if n == 1:
            told = ann.run("tail", "--timeout", "2").stdout.splitlines()
            assert [ANEW in line for line in told] == [True, False] and told[1].endswith("text 1")
    shown = ann.lines("history", "bob")[1:]
    assert [(line["content"], line.get("began_anew", False)) for line in shown] == \
        [("text 0", False), ("text 1", True), ("text 2", True), ("text 3", True), (None, False)]
    printed = ann.run("history", "bob").stdout
    assert printed.count("bob: " + ANEW) == 3 and printed.count("(this device cannot read this message)") == 1
    [times] = [d["began_anew"] for d in his_of(ann)["devices"]]
    assert len(times) == 3 and times == sorted(times)
    assert "      began a new session with this device, though it had one: TIME, TIME, TIME" in screen(ann, "bob")


ALARM, AT_ONCE = 50, 6  # keys that are taken for nothing; bundles of a device that a person gets at once


def test_keys_that_are_taken_and_not_written_with(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    """Nine people take one-time keys of bob's phone, as fast as the server lets them, and write nothing."""
    kithd = make_kithd("--registration", "open")
    bob, ann = Person(tmp_path / "bob"), Person(tmp_path / "ann")
    for person, name in ((bob, "bob"), (ann, "ann")):
        person.run("account", "register", "--server", kithd.url, name)
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "one who writes")
    bob.run("history", "ann")
    devices = [{"user_id": me(bob), "device_id": device_of(bob)}]
    for number in range(9):
        taker = kithd.register(f"taker{number}")
        for _ in range(AT_ONCE):
            kithd.rest("POST", "/keys/claim", {"devices": devices}, taker.access_token)
        bob.run("history", "ann")  # looks at what the server has
        [mine] = bob.lines("device", "list")
        taken = mine["one_time_keys_taken"]
        assert taken["count"] == (number + 1) * AT_ONCE
        assert taken["alarm"] == (taken["count"] >= ALARM)
        assert bob.lines("security", "ann")[0]["one_time_keys_taken"] == taken
        for command in (("device", "list"), ("security", "ann")):
            assert ("54 one-time keys of this device were taken since" in bob.run(*command).stdout) == taken["alarm"]
    assert "WARNING" not in ann.run("device", "list").stdout


PAIRWISE_MAX = 64  # members of a group whose messages are a ciphertext for each device


def test_a_large_group(make_kithd: Callable[..., Kithd], tmp_path: Path) -> None:
    """Two more than are written to one by one: one ciphertext for all, under a chain that ends when somebody is gone."""
    kithd = make_kithd("--registration", "open")

    def join(number: int) -> Person:
        person = Person(tmp_path / f"p{number}")
        person.run("account", "register", "--server", kithd.url, f"p{number}")
        return person

    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(join, range(PAIRWISE_MAX + 2))
    chat = first.lines("chat", "create", "--group", "--name", "all", *[me(other) for other in others])[0]["chat_id"]
    first.run("send", chat, "hello")
    assert [re.sub(r"\d{4}-\d\d-\d\d ", "", line) for line in screen(first, chat)[:5]] == [
        "End-to-end encrypted, 66 people.",
        "Each message is one ciphertext for all, under a chain of this device's.",
        "The chain is in use since TIME: 2 sent, 65 other devices have it.",
        "A new one is due when 500 messages were sent, after 7 days (TIME), or when a member or device is gone.",
        "Its newest change is number 1, signed by you with device N, TIME."]
    first.run("chat", "remove", chat, me(others[0]))
    assert "The next message begins a new one: a member, or a device of one, that had it is gone." in screen(first, chat)
    assert first.lines("security", chat)[0]["chain"].items() >= {"sent": 2, "devices": 65, "new_one_due": "somebody_gone"}.items()
    first.run("send", chat, "without one")
    assert first.lines("security", chat)[0]["chain"].items() >= {"sent": 1, "devices": 64, "new_one_due": "not_yet"}.items()
    [head] = others[1].lines("security", chat)[:1]
    assert head["chain"] == {"since": None, "sent": 0, "devices": 0, "new_one_due": "none_yet"}
