"""What a person is told of somebody whose account key changed, and of a server that shows two device lists of one number."""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from pathlib import Path
from typing import Any

from kithd import Kithd
from test_cli_tour import Person
from test_encrypted_chat import link, me
from test_encrypted_group import REFUSED, create, people
from test_security import his_of, screen

LISTS = ("signed_lists", "past_lists")


class Lying:
    """The server's lists of a person, put back to what they were: what no honest server does."""

    def __init__(self, kithd: Kithd, user: str) -> None:
        self.kithd, self.user = kithd, uuid.UUID(user).bytes

    def directory(self, *queries: tuple[str, tuple[Any, ...]]) -> list[list[tuple[Any, ...]]]:
        self.kithd.stop()
        with sqlite3.connect(self.kithd.data / "directory.sqlite") as directory:
            answers = [directory.execute(query, values).fetchall() for query, values in queries]
        directory.close()
        self.kithd.start()
        return answers

    def lists(self) -> list[list[tuple[Any, ...]]]:
        return self.directory(*((f"SELECT * FROM {table} WHERE user_id = ?", (self.user,)) for table in LISTS))

    def put_back(self, lists: list[list[tuple[Any, ...]]]) -> None:
        self.directory(*((f"DELETE FROM {table} WHERE user_id = ?", (self.user,)) for table in LISTS),
                       *((f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
                         for table, rows in zip(LISTS, lists) for row in rows))


def about_bob(ann: Person) -> list[str]:
    shown = screen(ann, "bob")
    first = next(n for n, line in enumerate(shown) if line.startswith("  bob: "))
    return shown[first:first + 1 + next(n for n, line in enumerate(shown[first + 1:]) if not line.startswith("    "))]


def why(person: Person, chat: str) -> tuple[str, str | None]:
    """Of a message that is not sent: what is said to programs, and about whom."""
    [failed] = [json.loads(line) for line in person.run("--json", "send", chat, "again", code=REFUSED).stdout.splitlines()]
    assert (failed["state"], failed["code"]) == ("failed", "FORBIDDEN")
    return failed["why"], failed.get("user_id")


def began_anew(kithd: Kithd, name: str, state: Path) -> Person:
    """The same person without any old device, by a server that has forgotten their lists."""
    again = Person(state)
    again.run("account", "login", "--server", kithd.url, name)
    again.run("device", "list")
    return again


def test_a_person_whose_account_key_changed(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = people(kithd, tmp_path, "ann", "bob")
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "hello")
    walks = create(ann, "walks", "bob")
    lying = Lying(kithd, me(bob))

    lying.put_back([[], []])
    began_anew(kithd, "bob", tmp_path / "bob anew")
    ann.run("device", "list", "bob")
    assert about_bob(ann) == [
        "  bob: known, not verified",
        "    WARNING: the account key is another one since TIME. Either bob began anew without the old devices,",
        "    or somebody else answers in their place. Ask bob, compare the number, and say: kith verify bob --confirm",
        "    device N  since TIME  signs the list"]
    known = his_of(ann)
    assert (known["trust"], known["was_reset"]) == ("known", True) and known["reset_at"].endswith("Z")
    assert "Not verified, and the account key has changed since you first met." in ann.run("verify", "bob").stdout
    ann.run("send", "bob", "to whom it may be")

    # Who has compared the number is asked to do it again, before anything more is sent.
    ann.run("verify", "bob", "--confirm")
    assert about_bob(ann) == ["  bob: verified; the account key has changed since you first met",
                              "    device N  since TIME  signs the list"]
    lying.put_back([[], []])
    began_anew(kithd, "bob", tmp_path / "bob once more")
    ann.run("device", "list", "bob")
    assert about_bob(ann) == [
        "  bob: verified before, but not with the account key of now",
        "    WARNING: the account key is another one since TIME. Either bob began anew without the old devices,",
        "    or somebody else answers in their place. Nothing is sent to them.",
        "    Ask bob, compare the number, and say: kith verify bob --confirm",
        "    device N  since TIME  signs the list"]
    known = his_of(ann)
    assert (known["trust"], known["was_reset"]) == ("changed", True) and known["reset_at"].endswith("Z")
    [chat] = [chat["chat_id"] for chat in ann.lines("chat", "list") if chat["chat_id"] != walks]
    refused = ann.run("send", "bob", "not to just anybody", code=REFUSED).stderr
    assert refused.splitlines() == [
        "kith: refused: bob has another account key than the one that you verified (FORBIDDEN)",
        "      Nothing is sent to them. Ask bob, compare the number, and say: kith verify bob --confirm",
        f"      More about it: kith security {chat}",
        "      It is kept: kith outbox list"]
    assert why(ann, "bob") == why(ann, walks) == ("key_changed", me(bob))
    ann.run("verify", "bob", "--confirm")
    assert "WARNING" not in ann.run("security", "bob").stdout
    ann.run("send", "bob", "to bob")


def test_a_server_that_shows_two_lists_of_one_number(kithd: Kithd, tmp_path: Path) -> None:
    """Two copies of bob's folder sign the second list: ann sees the one, then the other."""
    ann, bob = people(kithd, tmp_path, "ann", "bob")
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "hello")
    ann.run("verify", "bob", "--confirm")
    lying = Lying(kithd, me(bob))
    before = lying.lists()
    shutil.copytree(bob.state, tmp_path / "second")
    link(bob, "bob", tmp_path / "tablet", kithd.url)
    ann.run("device", "list", "bob")
    lying.put_back(before)
    link(Person(tmp_path / "second"), "bob", tmp_path / "laptop", kithd.url)
    ann.run("device", "list", "bob")
    about = about_bob(ann)
    assert about[:4] == [
        "  bob: known, but the server contradicts itself",
        "    WARNING: the server has shown two different device lists of bob with the same number: one of them may",
        "    have a device that is not theirs. Nothing is sent to them. Tell bob, by another way than this, and",
        "    whoever runs the server."]
    assert sorted(about[4:]) == ["    device N  since TIME", "    device N  since TIME  signs the list"]  # their numbers are drawn
    assert his_of(ann)["trust"] == "forked"
    refused = ann.run("send", "bob", "not to just any device", code=REFUSED).stderr
    assert "has shown two different device lists of bob (FORBIDDEN)" in refused and "kith security" in refused
    assert why(ann, "bob") == ("lists_forked", me(bob))
    ann.run("verify", "bob", "--confirm", code=REFUSED)


def test_a_server_that_shows_two_changes_of_a_group_of_one_number(kithd: Kithd, tmp_path: Path) -> None:
    """The whole server is put back to before the first of two changes; ann's folder, too."""
    ann, bob = people(kithd, tmp_path, "ann", "bob")
    chat = create(ann, "walks", "bob")
    ann.run("send", chat, "hello")
    bob.run("history", chat)
    kithd.stop()
    shutil.copytree(kithd.data, tmp_path / "data before")
    kithd.start()
    shutil.copytree(ann.state, tmp_path / "second")
    ann.run("chat", "rename", chat, "long walks")
    bob.run("history", chat)
    assert "WARNING" not in bob.run("security", chat).stdout
    kithd.stop()
    shutil.rmtree(kithd.data)
    shutil.copytree(tmp_path / "data before", kithd.data)
    kithd.start()
    second = Person(tmp_path / "second")
    second.run("chat", "rename", chat, "short walks")
    second.run("send", chat, "let us go")
    bob.run("history", chat)
    assert screen(bob, chat)[:3] == [
        "End-to-end encrypted, 2 people.",
        "WARNING: the server has shown two different changes of this group with the same number: its members may not",
        "all see the same people in it. Nothing is sent here. Tell them, by another way than this."]
    assert bob.lines("security", chat)[0]["forked"] is True
    refused = bob.run("send", chat, "to whom?", code=REFUSED).stderr
    assert "has shown two different changes of this group (FORBIDDEN)" in refused
    assert f"kith security {chat}" in refused
    assert why(bob, chat) == ("group_forked", None)
