"""A large encrypted group with the real kith: one ciphertext for all, under chains that each device was given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kithd import Kithd
from test_cli_tour import Person
from test_encrypted_chat import link, register, texts
from test_encrypted_group import create, title

PAIRWISE_MAX = 64  # members; above, one ciphertext goes to all
OTHERS = PAIRWISE_MAX + 1
MARKER = "marker-large"


def crowd(kithd: Kithd, tmp_path: Path) -> tuple[Person, list[Person]]:
    assert kithd.invite is not None
    ann = register(kithd, "ann", tmp_path / "ann", kithd.invite)
    [invite] = ann.lines("invite", "create", "--uses", str(OTHERS))
    with ThreadPoolExecutor(2) as pool:
        others = list(pool.map(lambda i: register(kithd, f"p{i}", tmp_path / f"p{i}", invite["code"]), range(OTHERS)))
    return ann, others


def test_a_large_group(kithd: Kithd, tmp_path: Path) -> None:
    ann, others = crowd(kithd, tmp_path)
    chat = create(ann, f"{MARKER}-name", *(f"p{i}" for i in range(OTHERS)))
    first, other, last = others[0], others[1], others[-1]
    ann.run("send", chat, f"{MARKER}-one")
    for person in (first, last):
        assert texts(person, chat) == [f"{MARKER}-one"]
        assert title(person, chat) == f"{MARKER}-name"

    # A new device is given the chain with the next message, and everybody has one of their own.
    tablet = link(last, f"p{OTHERS - 1}", tmp_path / "tablet", kithd.url)
    kithd.kill9()
    kithd.start()
    ann.run("send", chat, f"{MARKER}-two")
    last.run("send", chat, f"{MARKER}-three")
    assert texts(tablet, chat) == [f"{MARKER}-two", f"{MARKER}-three"]
    assert texts(first, chat) == [f"{MARKER}-{n}" for n in ("one", "two", "three")]

    # Who was removed reads nothing of what comes behind it; sixty-five members are still many.
    ann.run("chat", "remove", chat, "p1")
    ann.run("send", chat, f"{MARKER}-four")
    assert texts(tablet, chat)[-1] == f"{MARKER}-four"
    assert texts(first, chat)[-1] == f"{MARKER}-four"
    assert f"{MARKER}-four" not in other.run("history", chat).stdout

    # Who deleted the account is in the group until somebody removes them. The others learn it by a refusal, once, and go on.
    gone = kithd.rest("POST", "/auth/login", {"name": "p2", "password": others[2].password, "device_name": "the last"})
    kithd.rest("DELETE", "/users/me", None, gone["access_token"])
    ann.run("send", chat, f"{MARKER}-five")
    kithd.kill9()
    kithd.start()
    ann.run("send", chat, f"{MARKER}-six")
    last.run("send", chat, f"{MARKER}-seven")
    for person in (first, tablet):
        assert texts(person, chat)[-3:] == [f"{MARKER}-{n}" for n in ("five", "six", "seven")]
    assert texts(ann, chat)[-1] == f"{MARKER}-seven"
    kithd.stop()
    for file in kithd.data.rglob("*"):
        assert not file.is_file() or MARKER.encode() not in file.read_bytes(), file
