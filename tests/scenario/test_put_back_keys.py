"""A device that was put back to an older state, whose prekeys with the server are of later: it notices, and can be begun with again."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from pathlib import Path

from kithd import Kithd
from test_cli_tour import Person
from test_encrypted_chat import texts
from test_encrypted_group import device_of, people

KEPT = 100  # one-time prekeys of each kind


def rows(kithd: Kithd, query: str, device: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(kithd.data / "directory.sqlite") as directory:
        return directory.execute(query, (uuid.UUID(device).bytes,)).fetchall()


def lasting(kithd: Kithd, device: str) -> tuple[object, ...]:
    [row] = rows(kithd, "SELECT spk, kem_lr FROM device_keys WHERE device_id = ?", device)
    return row


def one_time(kithd: Kithd, device: str) -> set[tuple[object, ...]]:
    return set(rows(kithd, "SELECT kind, key_id FROM prekeys WHERE device_id = ?", device))


def test_its_prekeys_are_made_anew_and_it_can_be_begun_with(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = people(kithd, tmp_path, "ann", "bob")
    device = device_of(bob)
    ann.run("chat", "create", "bob")
    shutil.copytree(bob.state, tmp_path / "older")
    first, at_first = lasting(kithd, device), one_time(kithd, device)

    # The server lost the lasting ones: it is given others, and the one-time ones stay.
    kithd.stop()
    rows(kithd, "DELETE FROM device_keys WHERE device_id = ?", device)
    kithd.start()
    bob.run("history", "ann")
    second = lasting(kithd, device)
    assert None not in second and not set(second) & set(first)
    assert one_time(kithd, device) == at_first and len(at_first) == 2 * KEPT

    # What was put back knows nothing of those, and sees that it does not.
    shutil.rmtree(bob.state)
    shutil.copytree(tmp_path / "older", bob.state)
    bob.run("history", "ann")
    third, now = lasting(kithd, device), one_time(kithd, device)
    assert not set(third) & {*first, *second}
    assert len(now) == 2 * KEPT and not now & at_first
    ann.run("send", "bob", "hello")
    assert texts(bob, "ann") == ["hello"]
    [mine] = bob.lines("device", "list")
    assert mine["one_time_keys_taken"]["count"] == 0

    # Once: it is its own that are there now.
    bob.run("history", "ann")
    assert lasting(kithd, device) == third and len(one_time(kithd, device) - now) == 0
