"""A conversation on a terminal: who types is named, though the server has to be asked for the name while the connection brings more."""

from __future__ import annotations

import os
import pty
import struct
import subprocess
import termios
import time
from fcntl import ioctl
from pathlib import Path

from kithd import Kithd, program
from stomp import Stomp
from test_cli_tour import Person
from test_encrypted_chat import me
from uuid7 import uuid7

WAIT_S = 30.0


class Screen:
    """`kith chat open` on a terminal of its own."""

    def __init__(self, person: Person, chat: str) -> None:
        self.keyboard, terminal = pty.openpty()
        ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        os.set_blocking(self.keyboard, False)
        self.process = subprocess.Popen([str(program("kith")), "chat", "open", chat], stdin=terminal, stdout=terminal, stderr=terminal,
                                        env={**os.environ, "KITH_STATE": str(person.state), "TERM": "xterm"}, start_new_session=True)
        os.close(terminal)
        self.seen = ""

    def look(self, text: str, for_s: float) -> bool:
        """Whether it is drawn, or was. All that was ever drawn counts."""
        end = time.monotonic() + for_s
        while text not in self.seen and time.monotonic() < end:
            assert self.process.poll() is None, self.seen
            try:
                self.seen += os.read(self.keyboard, 65536).decode(errors="replace")
            except BlockingIOError:
                time.sleep(0.02)
        return text in self.seen

    def leave(self) -> int:
        os.write(self.keyboard, b"\x04")  # Ctrl-D
        code = self.process.wait(WAIT_S)
        os.close(self.keyboard)
        return code


def test_who_types_is_named_while_more_comes(kithd: Kithd, tmp_path: Path) -> None:
    assert kithd.invite is not None
    ann = Person(tmp_path / "ann")
    ann.run("account", "register", "--server", kithd.url, "--invite", kithd.invite, "ann")
    bob, carl = (kithd.register(name, ann.lines("invite", "create")[0]["code"]) for name in ("bob", "carl"))
    chat = str(kithd.rest("POST", "/chats", {"type": "group", "encrypted": False, "name": "walks",
                                             "members": [me(ann), carl.user_id]}, bob.access_token)["chat_id"])
    ann.run("chat", "list")
    screen = Screen(ann, chat)
    assert screen.look("walks", WAIT_S)
    with Stomp(kithd.ws_url, bob.access_token) as writer, Stomp(kithd.ws_url, carl.access_token) as typist:
        tries = 0
        while not screen.look("carl is typing", 1.2):  # until ann is online nobody tells her, and it is not renewed within a second
            tries += 1
            assert tries < WAIT_S, screen.seen
            for n in range(20):
                writer.message(chat, uuid7(), f"text {tries} {n} " + "word " * 50)
            typist.send("SEND", {"destination": f"/chat/{chat}/typing"})
        writer.message(chat, uuid7(), "the last")
        assert screen.look("the last", WAIT_S)
    assert screen.leave() == 0
