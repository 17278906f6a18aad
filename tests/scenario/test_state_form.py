"""docs/client-state.md is the form of the state folder: what follows the page alone reads all that kith wrote, given the key."""

from __future__ import annotations

import sqlite3
import struct
import sys
import uuid
from pathlib import Path

import pytest

from keeper import PASSPHRASE, Keeper, keepers
from kithd import ROOT, Kithd

sys.path.insert(0, str(ROOT / "tests"))

from model.vault import Vault, key_of_file


def read_folder(person: Keeper) -> tuple[dict[bytes, bytes], dict[bytes, bytes], list[tuple[int, int, bytes, bytes]]]:
    """Values, records and sends, all opened."""
    passphrase = person.passphrase.encode() if person.passphrase else None
    vault = Vault(key_of_file((person.state / "key").read_bytes(), passphrase))
    database = sqlite3.connect(f"file:{person.state}/state.sqlite?mode=ro", uri=True)
    assert database.execute("PRAGMA user_version").fetchone() == (1,)
    [check] = database.execute("SELECT value FROM vault WHERE name='check'").fetchone()
    assert vault.open(vault.name(b"k"), check) == (b"k", b"")
    values = dict(vault.open(*row) for row in database.execute("SELECT key, value FROM account"))
    records = dict(vault.open(*row) for row in database.execute("SELECT key, value FROM records ORDER BY key"))
    sends = []
    for row, state, message, content, outcome in database.execute("SELECT row, state, message, content, outcome FROM sends"):
        number = row.to_bytes(8, "big")
        key, said = vault.open(vault.name(b"s" + number), content)
        assert key == b"s" + number
        key, became = vault.open(vault.name(b"o" + number), outcome)
        assert key == b"o" + number and message == vault.name(b"i" + became[:16])
        sends.append((row, state, said, became))
    database.close()
    return values, records, sends


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_whoever_has_the_key_reads_all_of_it_by_the_page(kithd: Kithd, tmp_path: Path, passphrase: str | None) -> None:
    first, second = keepers(kithd, tmp_path, "ann", "bob", passphrase)
    for text in ("one", "two", "three"):
        first.run("send", "bob", text)
    second.run("send", "ann", "four")
    first.run("history", "bob")
    [account] = first.lines("account", "show")
    [chat] = first.lines("chat", "list")
    chat_id = uuid.UUID(chat["chat_id"]).bytes

    values, records, sends = read_folder(first)
    assert values[b"auser_id"].decode() == account["user_id"] and values[b"aname"] == b"ann"
    assert values[b"aserver"].decode() == kithd.url and len(values[b"arefresh_token"]) > 16
    messages = [(key, value) for key, value in records.items() if key[:1] == b"M"]
    assert [key[1:17] for key, _ in messages] == [chat_id] * len(messages)
    numbers = [int.from_bytes(key[17:], "big") for key, _ in messages]
    assert numbers == sorted(numbers)  # in the order of the stored keys
    assert [value[-len(text):].decode() for (_, value), text in zip(messages[-4:], ("one", "two", "three", "four"), strict=True)] \
        == ["one", "two", "three", "four"]
    assert {key[:1] for key in records} >= {b"C", b"D", b"E", b"M", b"S"}
    assert [state for _, state, _, _ in sends] == [3, 3, 3]
    for (_, _, said, became), text in zip(sends, (b"one", b"two", b"three"), strict=True):
        encrypted, _created, type_len = struct.unpack(">BQH", said[16:27])
        assert (said[:16], encrypted, said[27:]) == (chat_id, 1, b"text/plain" + text) and type_len == 10
        assert len(became) == 25 and became[24] == 0
        assert int.from_bytes(became[16:24], "big") in numbers
