"""What kith keeps: nothing of it can be read from the files of the state folder without the key, and nothing be changed in it."""

from __future__ import annotations

import re
import shutil
import signal
import sqlite3
import time
import uuid
from pathlib import Path

import pytest

from keeper import PASSPHRASE, Keeper, keepers
from kithd import Kithd
from test_encrypted_chat import texts
from trace import calls, strace

ONE, TWO = "annabella-canary", "bartholomew-canary"
SENT, WAITING = "canary-sent-1f7a", "canary-waiting-90c2"
ADDRESS = "127.0.0.1"
READABLE_RUN = 24


def tokens_of(person: Keeper, trace: Path) -> list[str]:
    """The tokens that it goes to the server with: over plain HTTP, they are in what it writes."""
    wrapper = strace("-s", "4000", "-o", str(trace), "-e", "trace=write,writev,sendto,sendmsg")
    assert person.start("device", "list", wrapper=wrapper).wait(60) == 0
    time.sleep(0.2)
    found = [token for call in calls(trace) for token in re.findall(r"Bearer ([\w.~+/=-]{16,})", call.text)]
    assert found
    return found


def needles_of(person: Keeper, tmp_path: Path) -> list[bytes]:
    [account] = person.lines("account", "show")
    [chat] = person.lines("chat", "list")
    ids = [chat["chat_id"], *(m["user_id"] for m in chat["members"]), account["user_id"],
           *(d["device_id"] for d in person.lines("device", "list"))]
    assert len(set(ids)) == 4
    words = [ONE, TWO, SENT, WAITING, ADDRESS, "text/plain", "access_token", "user_id", *ids, *tokens_of(person, tmp_path / "trace")]
    hidden = [w.encode() for w in words] + [uuid.UUID(i).bytes for i in ids]
    return hidden + [uuid.UUID(i).hex.encode() for i in ids]


def check_nothing_is_readable(folder: Path, needles: list[bytes]) -> None:
    read = 0
    for file in folder.iterdir():
        content = file.read_bytes()
        read += len(content)
        for needle in needles:
            assert needle not in content, (file.name, needle)
        # Of longer text only the tables' own.
        for run in re.findall(rb"[ -~]{%d,}" % READABLE_RUN, content):
            assert re.search(rb"CREATE (TABLE|INDEX)|SQLite format 3|sqlite_(autoindex|sequence)|sends_by_", run), (file.name, run)
    assert read > 50_000


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
def test_no_file_shows_what_was_said_or_with_whom(kithd: Kithd, tmp_path: Path, passphrase: str | None) -> None:
    first, second = keepers(kithd, tmp_path, ONE, TWO, passphrase)
    first.run("send", TWO, SENT)
    second.run("send", ONE, SENT, "back")
    first.run("history", TWO)
    needles = needles_of(first, tmp_path)
    kithd.kill9()
    first.run("send", TWO, WAITING, code=75)
    assert first.lines("outbox", "list")
    check_nothing_is_readable(first.state, needles)

    # While one runs, and after it was killed: then the database has a log beside it.
    kithd.start()
    tail = first.start("tail")
    while texts(second, ONE)[-1] != WAITING:
        time.sleep(0.1)
    second.run("send", ONE, SENT, "once more")
    time.sleep(1)
    assert (first.state / "state.sqlite-wal").stat().st_size > 0
    check_nothing_is_readable(first.state, needles)
    tail.send_signal(signal.SIGKILL)
    tail.wait()
    check_nothing_is_readable(first.state, needles)
    assert texts(first, TWO) == [SENT, f"{SENT} back", WAITING, f"{SENT} once more"]
    for file in first.state.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_history_is_found_by_its_numbers(kithd: Kithd, tmp_path: Path) -> None:
    first, second = keepers(kithd, tmp_path, ONE, TWO)
    for i in range(6):
        first.run("send", TWO, f"number {i}")
    shown = second.lines("history", ONE)
    seqs = [m["seq"] for m in shown if m["type"] == "message"]
    assert seqs == sorted(seqs) and len(seqs) == 6

    def page(*options: str) -> list[int]:
        return [m["seq"] for m in second.lines("history", ONE, *options)]

    assert page("--limit", "2") == seqs[-2:]
    assert page("--after", str(seqs[3])) == seqs[4:]
    assert page("--before", str(seqs[2]), "--limit", "2") == seqs[:2]
    assert page("--after", str(seqs[0]), "--before", str(seqs[3])) == seqs[1:3]


def test_a_wrong_passphrase_changes_nothing(kithd: Kithd, tmp_path: Path) -> None:
    first, _ = keepers(kithd, tmp_path, ONE, TWO, PASSPHRASE)
    before = first.files()
    for wrong in ("another passphrase", PASSPHRASE + " ", "", None):
        stranger = Keeper(first.state, wrong)
        for command in (("chat", "list"), ("send", TWO, SENT), ("history", TWO), ("account", "logout"), ("outbox", "list"),
                        ("account", "passphrase", "--remove"), ("account", "login", ONE)):
            refused = stranger.run(*command, code=1)
            assert "passphrase" in refused.stderr and ONE not in refused.stderr and refused.stdout == ""
            assert "--passphrase-file" in refused.stderr if wrong is None else "not the passphrase" in refused.stderr
    assert first.files() == before
    first.run("send", TWO, SENT)


def test_a_passphrase_is_set_changed_and_taken_off(kithd: Kithd, tmp_path: Path) -> None:
    first, second = keepers(kithd, tmp_path, ONE, TWO)
    first.run("send", TWO, SENT)
    plain = (first.state / "key").read_bytes()
    for passphrase in ("the first passphrase", "and the second of them", "x" * 1024):
        old = Keeper(first.state, first.passphrase)
        before = first.files()
        first.set_passphrase(passphrase)
        after = first.files()
        assert [name for name in before if before[name] != after.get(name)] == ["key"] and len(before) == len(after)
        assert plain[-32:] not in (first.state / "key").read_bytes()
        old.run("chat", "list", code=1)
        assert first.lines("chat", "list")
    first.set_passphrase(None)
    assert (first.state / "key").read_bytes() == plain
    assert (first.state / "key").stat().st_mode & 0o777 == 0o600
    first.run("send", TWO, WAITING)
    assert texts(second, ONE) == [SENT, WAITING]
    for bad, said in (("seven77", "8 characters"), ("", "8 characters"), ("x" * 1025, "1,024")):
        file = tmp_path / "bad"
        file.write_text(bad + "\n")
        assert said in first.run("account", "passphrase", "--new-passphrase-file", str(file), code=2).stderr
    assert (first.state / "key").read_bytes() == plain


def test_the_key_without_a_passphrase_does_not_stay_on_the_medium(tmp_path: Path) -> None:
    person = Keeper(tmp_path / "state")
    person.run("chat", "list", code=4)
    plain = (person.state / "key").read_bytes()
    with (person.state / "key").open("rb") as old:
        person.set_passphrase(PASSPHRASE)
        assert set(old.read()) == {0}
    # A file that has another name is somebody's copy.
    (tmp_path / "copy").hardlink_to(person.state / "key")
    wrapped = (tmp_path / "copy").read_bytes()
    person.set_passphrase(None)
    assert (tmp_path / "copy").read_bytes() == wrapped
    assert (person.state / "key").read_bytes() == plain


def test_a_lost_or_foreign_key_is_said_and_never_replaced(kithd: Kithd, tmp_path: Path) -> None:
    first, second = keepers(kithd, tmp_path, ONE, TWO)
    first.run("send", TWO, SENT)
    key, aside = first.state / "key", tmp_path / "aside"
    shutil.copy(key, aside)
    key.unlink()
    for command in (("chat", "list"), ("send", TWO, SENT), ("account", "login", ONE), ("account", "passphrase", "--remove")):
        refused = first.run(*command, code=1).stderr
        assert "key of this state is missing" in refused and "login" in refused and "copy" in refused
        assert not key.exists()
    shutil.copy(second.state / "key", key)
    assert "not the key of the state" in first.run("chat", "list", code=1).stderr
    key.write_bytes(aside.read_bytes()[:-1])
    assert "damaged" in first.run("chat", "list", code=1).stderr
    key.write_bytes(b"")
    assert "damaged" in first.run("chat", "list", code=1).stderr
    shutil.copy(aside, key)
    assert texts(first, TWO) == [SENT]


def test_values_that_change_places_are_refused(kithd: Kithd, tmp_path: Path) -> None:
    first, _ = keepers(kithd, tmp_path, ONE, TWO)
    whole = tmp_path / "whole"
    shutil.copytree(first.state, whole)
    for table in ("account", "records"):
        with sqlite3.connect(first.state / "state.sqlite") as database:
            rows = database.execute(f"SELECT key, value FROM {table} WHERE substr(key, 1, 1) = x'2e'").fetchall()
            assert len(rows) > 4
            for (key, _value), (_key, value) in zip(rows, rows[1:] + rows[:1], strict=True):
                database.execute(f"UPDATE {table} SET value=? WHERE key=?", (value, key))
        database.close()
        refused = first.run("send", TWO, SENT, code=1).stderr
        assert "damaged" in refused or "cannot be read" in refused
        shutil.rmtree(first.state)
        shutil.copytree(whole, first.state)
    first.run("send", TWO, SENT)


def test_a_state_that_was_not_encrypted_is_refused(tmp_path: Path) -> None:
    person = Keeper(tmp_path / "old")
    person.state.mkdir(mode=0o700)
    with sqlite3.connect(person.state / "state.sqlite") as database:
        database.execute("CREATE TABLE account(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT")
        database.execute("INSERT INTO account VALUES('user_id', 'x')")
    database.close()
    refused = person.run("chat", "list", code=1).stderr
    assert "did not encrypt" in refused and "login" in refused
    assert not (person.state / "key").exists()
