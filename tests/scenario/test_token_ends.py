"""The access token ends while kith is not looking: it takes another one, whatever asks for it first, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from kithd import Kithd
from test_encrypted_chat import two_people
from test_state_form import read_folder


def end_token(kithd: Kithd, state: Path) -> None:
    """Somebody uses the refresh token: the access token that came with it is good no more, and for the next ones it is still taken."""
    values, _, _ = read_folder(type("Folder", (), {"state": state, "passphrase": None}))
    kithd.rest("POST", "/auth/refresh", {"refresh_token": values[b"arefresh_token"].decode()})


@pytest.mark.parametrize("command", [("tail",), ("tail", "ann"), ("history", "ann")])
def test_it_is_taken_anew(kithd: Kithd, tmp_path: Path, command: tuple[str, ...]) -> None:
    """By the connection, by what is asked beside it, or by what a command asks first."""
    ann, bob = two_people(kithd, tmp_path)
    ann.run("chat", "create", "bob")
    bob.run("chat", "list")
    for n in range(5):
        ann.run("send", "bob", f"text {n}")
    end_token(kithd, bob.state)
    timeout = ("--timeout", "3") if command[0] == "tail" else ()
    shown = bob.run(*command, *timeout).stdout
    assert [line[-6:] for line in shown.splitlines() if "text" in line] == [f"text {n}" for n in range(5)]
    assert "sent" in bob.run("send", "ann", "still here").stdout
