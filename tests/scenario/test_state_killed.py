"""kill -9 of kith at any instant: what it keeps opens as before, with the old passphrase or the new one, and nothing is lost."""

from __future__ import annotations

import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from keeper import PASSPHRASE, Keeper, keepers
from kithd import Kithd
from test_encrypted_chat import texts

SEED = 11
KILLS = 25
NO_ACCOUNT = 4
# Every call that changes a file, while a state or its key is made.
CALLS = ("openat", "fchmod", "write", "pwrite64", "fsync", "fdatasync", "rename", "ftruncate", "unlink", "mkdir", "close")


def passphrase_of(state: Path) -> str | None:
    """The one that a state opens with: exactly one of the two does."""
    done = [Keeper(state, passphrase).start("outbox", "list").wait(60) for passphrase in (None, PASSPHRASE)]
    assert done in ([0, 0], [1, 0])  # a key without a passphrase asks for none
    return None if done[0] == 0 else PASSPHRASE


def test_a_passphrase_is_the_old_or_the_new_one_when_its_change_is_killed(kithd: Kithd, tmp_path: Path) -> None:
    first, second = keepers(kithd, tmp_path, "ann", "bob")
    first.run("send", "bob", "one")
    seen = set()
    for call, nth in (("fchmod", 1), ("write", 1), ("fsync", 1), ("rename", 1), ("fsync", 2), ("fsync", 3)):
        for before, change in ((None, ("account", "passphrase")), (PASSPHRASE, ("account", "passphrase", "--remove"))):
            if first.passphrase != before:
                first.set_passphrase(before)
            killed = first.killed_at(call, nth, *change, new=PASSPHRASE)
            first.passphrase = passphrase_of(first.state)
            seen.add((killed, before, first.passphrase))
            assert not (first.state / "key.new").exists()
    assert {(True, b, a) for b in (None, PASSPHRASE) for a in (None, PASSPHRASE)} <= seen
    first.run("send", "bob", "two")
    assert texts(second, "ann") == ["one", "two"]


def test_a_new_state_is_there_or_not_when_its_making_is_killed(tmp_path: Path) -> None:
    kills = 0
    for call in CALLS:
        for nth in range(20, 60, 2) if call == "openat" else (*range(1, 8), 12, 24):  # libraries are opened first
            person = Keeper(tmp_path / f"{call}{nth}")
            if not person.killed_at(call, nth, "outbox", "list"):
                break
            kills += 1
            person.run("outbox", "list", code=NO_ACCOUNT)
            person.run("outbox", "list", code=NO_ACCOUNT)
    assert kills > 30


def test_a_kith_that_runs_on_keeps_nothing_after_the_sign_out(kithd: Kithd, tmp_path: Path) -> None:
    first, second = keepers(kithd, tmp_path, "ann", "bob")
    first.run("send", "bob", "one")
    key = (first.state / "key").read_bytes()
    tail = first.start("tail")
    second.run("send", "ann", "two")
    time.sleep(0.5)
    first.run("account", "logout")
    assert tail.wait(30) == NO_ACCOUNT
    with closing(sqlite3.connect(first.state / "state.sqlite")) as database:
        counts = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("account", "records", "sends")]
    assert counts == [0, 0, 0]
    assert (first.state / "key").read_bytes() == key
    first.run("account", "login", "--server", kithd.url, "bob")
    assert first.lines("account", "show")[0]["name"] == "bob"


def test_a_sender_killed_at_each_write_lets_the_next_one_finish(kithd: Kithd, tmp_path: Path) -> None:
    """The number came, and the row does not have it yet; or the row has it and nobody was told; or anything before."""
    first, second = keepers(kithd, tmp_path, "ann", "bob")
    first.run("send", "bob", "0")
    for call in ("pwrite64", "fdatasync"):
        for nth in range(1, 70):
            if not first.killed_at(call, nth, "send", "bob", f"{call} {nth}"):
                break
            first.run("outbox", "list")
    first.run("send", "bob", "end")
    assert first.lines("outbox", "list") == []
    got = texts(second, "ann")
    assert got == texts(first, "bob")
    assert len(got) == len(set(got)) > 10 and got[-1] == "end"


def test_killed_senders_lose_nothing_and_send_nothing_twice(kithd: Kithd, tmp_path: Path) -> None:
    first, second = keepers(kithd, tmp_path, "ann", "bob", PASSPHRASE)
    began = time.monotonic()
    first.run("send", "bob", "begin")
    takes = time.monotonic() - began
    rng = random.Random(SEED)
    whole = set(range(0, KILLS, 6))
    for i in range(KILLS):
        sender = first.start("send", "bob", f"message {i}")
        if i not in whole:
            time.sleep(rng.uniform(0.3, 1.1) * takes)
            sender.kill()
        sender.wait()
    first.run("send", "bob", "end")
    assert first.lines("outbox", "list") == []
    got = texts(second, "ann")
    assert got == texts(first, "bob")
    assert got[0] == "begin" and got[-1] == "end" and len(got) == len(set(got))
    numbers = [int(text.split()[1]) for text in got[1:-1]]
    assert numbers == sorted(numbers) and set(numbers) >= whole
