"""Passphrases that are typed, on a terminal of their own."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from pathlib import Path

from kithd import program

USAGE = 2
LONGEST = "long " + "x" * 1019  # 1,024 bytes


def typed(state: Path, *lines: str) -> tuple[int, str]:
    """Each line is typed when it is asked for: what was typed before the question is thrown away."""
    keyboard, terminal = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KITH_NEW_")} | {"KITH_STATE": str(state)}
    process = subprocess.Popen([str(program("kith")), "account", "passphrase"], stdin=terminal, stdout=terminal,
                               stderr=terminal, env=environment, start_new_session=True)
    os.close(terminal)
    seen = b""
    for count, line in enumerate(lines, 1):
        while seen.count(b": ") < count:
            seen += os.read(keyboard, 4096)
        time.sleep(0.2)
        os.write(keyboard, line.encode() + b"\n")
    while True:
        try:
            more = os.read(keyboard, 4096)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        seen += more
    os.close(keyboard)
    return process.wait(timeout=60), seen.decode()


def test_the_longest_is_taken_whole_and_a_longer_one_is_refused(tmp_path: Path) -> None:
    code, seen = typed(tmp_path / "one", LONGEST, LONGEST)
    assert (code, "Set" in seen) == (0, True), seen
    assert "xxx" not in seen
    code, seen = typed(tmp_path / "two", LONGEST + "y")
    assert (code, "longer than" in seen) == (USAGE, True), seen
    code, seen = typed(tmp_path / "three", LONGEST, LONGEST[:-1] + "z")
    assert (code, "the two differ" in seen) == (USAGE, True), seen
