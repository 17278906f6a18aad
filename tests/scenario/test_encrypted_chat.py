"""End-to-end encryption with the real kith: two people, two devices each, over a server that can read none of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kithd import Kithd
from test_cli_tour import Person

REFUSED, NO_ACCOUNT, AWAY = 3, 4, 69


def register(kithd: Kithd, name: str, state: Path, invite: str) -> Person:
    person = Person(state)
    person.run("account", "register", "--server", kithd.url, "--invite", invite, name)
    return person


def digits(text: str) -> str:
    found = re.search(r"Digits of the \w+: ([0-9 ]+)", text)
    assert found, text
    return found[1]


def link(old: Person, name: str, state: Path, server: str) -> Person:
    """A second device, by hand as a person does it: request, answer, and the digits of both."""
    new = Person(state)
    new.run("account", "login", "--server", server, name)
    request = new.run("device", "request")
    answer = old.run("device", "link", request.stdout.strip(), "--code", digits(request.stderr))
    assert "Linked" in new.run("device", "accept", answer.stdout.strip(), "--code", digits(answer.stderr)).stdout
    return new


def texts(person: Person, chat: str) -> list[str]:
    return [m["content"] for m in person.lines("history", chat) if m["type"] == "message"]


def two_people(kithd: Kithd, tmp_path: Path) -> tuple[Person, Person]:
    assert kithd.invite is not None
    ann = register(kithd, "ann", tmp_path / "ann", kithd.invite)
    [invite] = ann.lines("invite", "create")
    return ann, register(kithd, "bob", tmp_path / "bob", invite["code"])


def test_every_device_of_both_reads_it_and_the_server_none(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    assert "end-to-end encrypted" in ann.run("chat", "create", "bob").stdout
    ann.run("send", "bob", "before the tablets")
    tablet = link(ann, "ann", tmp_path / "ann tablet", kithd.url)
    laptop = link(bob, "bob", tmp_path / "bob laptop", kithd.url)

    ann.run("send", "bob", "marker-one from the phone")
    laptop.run("send", "ann", "marker-two from the laptop")
    tablet.run("send", "bob", "marker-three from the tablet")
    everything = ["marker-one from the phone", "marker-two from the laptop", "marker-three from the tablet"]
    assert texts(ann, "bob") == ["before the tablets", *everything]
    assert texts(bob, "ann") == ["before the tablets", *everything]
    assert texts(tablet, "bob") == everything
    assert texts(laptop, "ann") == everything

    kithd.kill9()
    kithd.start()
    bob.run("read", "ann")
    bob.run("send", "ann", "marker-four after a crash")
    assert texts(tablet, "bob")[-1] == "marker-four after a crash"
    assert texts(ann, "bob")[-1] == "marker-four after a crash"
    [shown] = ann.lines("chat", "show", "bob")
    other = next(m for m in shown["members"] if m["read_up_to"] > 0 and m["user_id"] != me(ann))
    assert other["delivered_up_to"] >= other["read_up_to"] > 4

    kithd.stop()
    for file in kithd.data.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            assert b"marker-" not in content and b"before the tablets" not in content, file


def me(person: Person) -> str:
    [account] = person.lines("account", "show")
    return str(account["user_id"])


def test_a_message_written_while_the_server_is_away_is_sealed_when_it_is_back(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "one")
    kithd.kill9()
    ann.run("send", "bob", "two", code=75)
    ann.run("send", "bob", "three", code=75)
    kithd.start()
    ann.run("send", "bob", "four")
    assert texts(bob, "ann") == ["one", "two", "three", "four"]
    assert texts(ann, "bob") == ["one", "two", "three", "four"]


def test_a_device_that_is_not_linked_reads_nothing_and_wrong_digits_link_nothing(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    stranger = Person(tmp_path / "stranger")
    assert "kith device request" in stranger.run("account", "login", "--server", kithd.url, "bob").stdout
    ann.run("send", "bob", "not for that one")
    assert texts(bob, "ann") == ["not for that one"]
    assert [t for t in texts(stranger, "ann") if t] == []

    request = stranger.run("device", "request")
    wrong = "1" + digits(request.stderr)[1:] if digits(request.stderr)[0] != "1" else "2" + digits(request.stderr)[1:]
    refused = bob.run("device", "link", request.stdout.strip(), "--code", wrong, code=1)
    assert "digits" in refused.stderr
    # Another account's device does not link it either.
    ann.run("device", "link", request.stdout.strip(), "--code", digits(request.stderr), code=REFUSED)


def test_an_unencrypted_chat_says_so(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    made = ann.run("chat", "create", "bob", "--unencrypted").stdout
    assert "the server can read it" in made
    chat = re.search(r"Chat (\S+)", made)
    assert chat
    ann.run("send", chat[1], "in the open")
    assert texts(bob, chat[1]) == ["in the open"]
    assert "NOT encrypted" in ann.run("chat", "show", chat[1]).stdout



def test_both_see_one_safety_number_and_the_devices_that_were_signed(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    [hers] = ann.lines("verify", "bob")
    [his] = bob.lines("verify", "ann", "--confirm")
    assert hers["safety_number"] == his["safety_number"] and len(hers["safety_number"]) == 60
    assert (hers["trust"], his["trust"]) == ("known", "verified")
    link(ann, "ann", tmp_path / "tablet", kithd.url)
    devices = bob.lines("device", "list", "ann")
    assert [d["accepted"] for d in devices] == [True, True]
    assert sorted(d["manager"] for d in devices) == [False, True]
    [again] = bob.lines("verify", "ann")
    assert (again["safety_number"], again["trust"]) == (his["safety_number"], "verified")


def test_a_number_of_an_old_list_is_shown_as_such_and_not_confirmed(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    [hers] = ann.lines("verify", "bob")
    assert hers["fresh"]
    bobs = me(bob)  # by his id: his name is the server's to know
    kithd.kill9()
    shown = ann.run("verify", bobs)
    assert "could not ask the server; the list is of " + hers["list_issued_at"][:10] in shown.stderr
    away = ann.run("verify", bobs, "--confirm", code=AWAY)
    assert "nothing was confirmed" in away.stderr and away.stdout == ""
    assert [d["fresh"] for d in ann.lines("device", "list", bobs)] == [False]
    assert "no list of that person" in ann.run("verify", "01890000-0000-7000-8000-000000000001", code=AWAY).stderr
    kithd.start()
    [again] = ann.lines("verify", "bob")
    assert (again["trust"], again["fresh"]) == ("known", True)


def test_a_program_links_a_device(kithd: Kithd, tmp_path: Path) -> None:
    ann, _ = two_people(kithd, tmp_path)
    tablet = Person(tmp_path / "tablet")
    tablet.run("account", "login", "--server", kithd.url, "ann")
    [request] = tablet.lines("device", "request")
    [answer] = ann.lines("device", "link", request["request"], "--code", request["code"])
    assert tablet.lines("device", "accept", answer["answer"], "--code", answer["code"]) == []
    assert [d["accepted"] for d in ann.lines("device", "list", "ann")] == [True, True]
    [version] = ann.lines("version")
    assert re.fullmatch(r"\d+\.\d+\.\d+", version["version"])


def test_lists_that_were_missed_are_followed_one_by_one(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "one")
    first = texts(bob, "ann")
    tablets = [link(ann, "ann", tmp_path / f"tablet {i}", kithd.url) for i in range(3)]
    assert len(ann.lines("device", "list", "ann")) == 4
    bob.run("send", "ann", "to all four")
    assert first == ["one"]
    for tablet in tablets:
        assert texts(tablet, "bob") == ["to all four"]
    assert len(bob.lines("device", "list", "ann")) == 4


def test_replies_reactions_edits_and_deletions(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "shall we meet at five?")
    bob.run("reply", "ann", "2", "at", "six")
    bob.run("react", "ann", "2", "👍")
    texts(ann, "bob")
    ann.run("edit", "bob", "2", "shall we meet at six?")
    laptop = link(bob, "bob", tmp_path / "laptop", kithd.url)  # offline until all has happened
    ann.run("send", "bob", "never mind this one")
    ann.run("delete", "bob", "6")
    assert [(m["content"], m["deleted"]) for m in laptop.lines("history", "ann") if m["type"] == "message"] == [
        (None, True)]
    for person, chat in ((ann, "bob"), (bob, "ann")):
        first, reply, gone = [m for m in person.lines("history", chat) if m["type"] == "message"]
        assert (first["content"], first["edited"], first["reactions"]) == ("shall we meet at six?", True, "👍")
        assert (reply["content"], reply["reply_to_seq"]) == ("at six", 2)
        assert (gone["content"], gone["deleted"]) == (None, True)
        shown = person.run("history", chat, "--numbers").stdout
        assert "> ann: shall we meet at six?" in shown and "(edited)" in shown and "[👍]" in shown
        assert "never mind" not in shown and "(deleted)" in shown
    assert [m["seq"] for m in ann.lines("search", "MEET", "six")] == [2]
    assert ann.lines("search", "five") == [] and ann.lines("search", "never mind") == []
    # Only the author changes a message, whatever a client says.
    assert "not yours" in bob.run("edit", "ann", "2", "I owe bob", code=REFUSED).stderr
    bob.run("react", "ann", "2")
    assert "reactions" not in [m for m in ann.lines("history", "bob") if m["type"] == "message"][0]
    ann.run("react", "bob", "99", "x", code=REFUSED)


def test_a_removed_device_is_out_of_the_signed_list_and_reads_nothing_more(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    laptop = link(bob, "bob", tmp_path / "laptop", kithd.url)
    ann.run("send", "bob", "for both")
    assert texts(laptop, "ann") == ["for both"]
    [account] = laptop.lines("account", "show")
    assert account["user_id"] == me(bob)
    [mine] = [d["device_id"] for d in bob.lines("device", "list", "bob") if not d["manager"]]
    bob.run("device", "remove", mine)
    assert [d["manager"] for d in ann.lines("device", "list", "bob")] == [True]
    ann.run("send", "bob", "for one")
    assert texts(bob, "ann") == ["for both", "for one"]
    laptop.run("history", "ann", code=NO_ACCOUNT)  # signed out


def test_a_device_that_stays_in_the_signed_list_is_not_told_as_removed(kithd: Kithd, tmp_path: Path) -> None:
    _, bob = two_people(kithd, tmp_path)
    laptop = link(bob, "bob", tmp_path / "laptop", kithd.url)
    tablet = link(bob, "bob", tmp_path / "tablet", kithd.url)
    listed = {d["device_id"] for d in bob.lines("device", "list", "bob")}
    [mine] = [d["device_id"] for d in laptop.lines("device", "list") if d["current"]]
    others = sorted(listed - {mine} - {d["device_id"] for d in bob.lines("device", "list") if d["current"]})
    # The laptop does not sign the list: the tablet is signed out, and stays listed.
    refused = laptop.run("device", "remove", others[0], code=REFUSED)
    assert "does not sign the list" in refused.stderr
    assert {d["device_id"] for d in bob.lines("device", "list", "bob")} == listed
    tablet.run("device", "list", code=NO_ACCOUNT)
    # It is gone from the server, and still to be taken out by one that signs.
    bob.run("device", "remove", others[0])
    assert {d["device_id"] for d in bob.lines("device", "list", "bob")} == listed - {others[0]}


@pytest.mark.timeout(300)  # it starts kith two hundred times
def test_a_one_sided_chat_is_answered_for_the_ratchets_sake(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    ann.run("send", "bob", "one")
    bob.run("send", "ann", "hello to you")  # whoever has not written is a stranger's, and answers nobody by itself
    ann.run("history", "bob")
    kithd.kill9()
    for _ in range(200):
        ann.run("send", "bob", "one more", "--timeout", "0", code=75)
    kithd.start()
    ann.run("send", "bob", "the last", "--timeout", "60")
    assert len(texts(bob, "ann")) == 50
    bob.run("send", "ann", "enough")
    shown = ann.lines("history", "bob", "--all")
    assert [m["content"] for m in shown if m["type"] == "message"] == ["one", "hello to you", *["one more"] * 200, "the last", "enough"]
    # The answer without content is numbered like any message, and shown to nobody: 1 is the beginning of the chat.
    assert shown[-1]["seq"] == 1 + 203 + 1 + 1
