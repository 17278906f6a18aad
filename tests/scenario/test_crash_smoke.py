"""A few cycles of ./dev crash: kithd is killed under load, also while it starts, and every promise is checked."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kithd import ROOT, program

SECONDS_MAX = 280


def crash(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        built = program("kith-crash-client").parent
    except FileNotFoundError:
        pytest.skip("kith-crash-client was not built")
    return subprocess.run([sys.executable, str(ROOT / "tools" / "crash.py"), "--clients", "8", "--dir", str(folder / "run"),
                           *arguments], env={**os.environ, "KITH_BUILD": str(built.parent)}, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=SECONDS_MAX)


@pytest.mark.timeout(300)
def test_ten_kills_lose_and_repeat_nothing(tmp_path: Path) -> None:
    done = crash(tmp_path, "--cycles", "10", "--seed", "1")
    assert done.returncode == 0, done.stdout
    assert re.search(r"valid, 0 violations; 10 cycles", done.stdout), done.stdout
