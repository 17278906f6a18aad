"""The tour of the README with the real kith: two people, a server that is killed, and a message that waits for it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from kithd import Kithd, program

QUEUED = 75
USAGE = 2
REFUSED = 3


class Person:
    def __init__(self, state: Path, password: str = "a good long password") -> None:
        self.state = state
        self.password = password

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([str(program("kith")), *arguments], capture_output=True, text=True, timeout=90,
                              stdin=subprocess.DEVNULL, check=False,
                              env={**os.environ, "KITH_STATE": str(self.state), "KITH_PASSWORD": self.password})
        assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def lines(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.run(*arguments, "--json").stdout.splitlines()]


def test_two_people_talk_across_a_killed_server(kithd: Kithd, tmp_path: Path) -> None:
    ann, bob = Person(tmp_path / "ann"), Person(tmp_path / "bob")
    assert kithd.invite is not None
    ann.run("account", "register", "--server", kithd.url, "--invite", kithd.invite, "ann")
    [invite] = ann.lines("invite", "create")
    bob.run("account", "register", "--server", kithd.url, "--invite", invite["code"], "bob")
    ann.run("chat", "create", "bob")
    assert "sent" in ann.run("send", "bob", "hello", "there").stdout

    kithd.kill9()
    away = ann.run("send", "bob", "written while the server is dead", code=QUEUED)
    assert "queued" in away.stdout + away.stderr
    assert len(ann.lines("outbox", "list")) == 1
    kithd.start()
    ann.run("send", "bob", "after")
    assert ann.lines("outbox", "list") == []

    texts = ["hello there", "written while the server is dead", "after"]
    shown = bob.run("history", "ann").stdout
    assert [text for line in shown.splitlines() for text in texts if line.endswith(text)] == texts
    assert [m["content"] for m in bob.lines("history", "ann") if m.get("type") == "message"] == texts
    for command in (("account", "show"), ("device", "list"), ("chat", "list"), ("chat", "show", "ann"),
                    ("invite", "list"), ("health",)):
        bob.lines(*command)
    assert (tmp_path / "ann").exists()
    for file in (tmp_path / "ann").rglob("*"):
        assert file.stat().st_mode & 0o077 == 0 or file.is_dir(), file


def test_an_invite_for_several_people(kithd: Kithd, tmp_path: Path) -> None:
    ann = Person(tmp_path / "ann")
    assert kithd.invite is not None
    ann.run("account", "register", "--server", kithd.url, "--invite", kithd.invite, "ann")
    [invite] = ann.lines("invite", "create", "--uses", "2", "--expires", "3")
    for name, code in (("bob", 0), ("carl", 0), ("dora", 3)):
        Person(tmp_path / name).run("account", "register", "--server", kithd.url, "--invite", invite["code"], name, code=code)
    [left] = ann.lines("invite", "create", "--uses", "5")
    assert "used 0 of 5" in ann.run("invite", "list").stdout and invite["uses_max"] == 2
    ann.run("invite", "revoke", left["invite_id"])
    for value in ("two", "-1", "", "1e3", "99999999999999999999"):
        assert f"--uses needs a number, not '{value}'" in ann.run("invite", "create", "--uses", value, code=2).stderr


def test_a_chat_that_is_not_there_is_told_once(kithd: Kithd, tmp_path: Path) -> None:
    ann = Person(tmp_path / "ann")
    assert kithd.invite is not None
    ann.run("account", "register", "--server", kithd.url, "--invite", kithd.invite, "ann")
    for name in ("trip", "our trip", "0190b6f2-5c1e-7d33-8a5f-000000000000"):
        told = ann.run("send", name, "hello", code=REFUSED).stderr
        assert f"you have no open chat '{name}'" in told
        assert told.count("kith: ") == 1
    assert "there is nobody called 'trip' here" in ann.run("chat", "create", "trip", code=REFUSED).stderr
    assert ann.lines("outbox", "list") == []


def test_a_wrong_command_suggests_and_help_prints(tmp_path: Path) -> None:
    person = Person(tmp_path / "nobody")
    wrong = person.run("chat", "lsit", code=USAGE)
    assert "did you mean 'kith chat list'" in wrong.stderr
    assert person.run("help", "--man").stdout.startswith(".")
    completion = person.run("completion", "bash").stdout
    assert "complete " in completion
    checked = subprocess.run(["bash", "-n"], input=completion, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_what_came_meanwhile_is_shown_in_order_while_names_are_asked_for(kithd: Kithd, tmp_path: Path) -> None:
    """Whose words they are is asked of the server in the middle of a stream, which goes on."""
    ann, bob = Person(tmp_path / "ann"), Person(tmp_path / "bob")
    assert kithd.invite is not None
    ann.run("account", "register", "--server", kithd.url, "--invite", kithd.invite, "ann")
    [invite] = ann.lines("invite", "create")
    bob.run("account", "register", "--server", kithd.url, "--invite", invite["code"], "bob")
    ann.run("chat", "create", "bob")
    texts = [f"{n} " + "word " * 50 + "end" for n in range(60)]
    for text in texts[:-1]:
        ann.run("send", "bob", text, "--timeout", "0", code=75)
    ann.run("send", "bob", texts[-1])
    shown = [line for line in bob.run("tail", "--timeout", "3").stdout.splitlines() if line.endswith("end")]
    assert [line.partition("[ann] ann: ")[2] for line in shown] == texts
