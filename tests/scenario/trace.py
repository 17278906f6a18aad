"""What `strace -f -y` wrote, as system calls with the places in the trace where each began and ended."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"^(\d+) +(.*)$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
_CALL = re.compile(r"^(\w+)\((.*)$", re.S)
_RESULT = re.compile(r"\) += (-?\d+|\?)(.*)$", re.S)


@dataclass
class Call:
    name: str
    text: str
    began: int
    ended: int
    result: int | None
    error: str

    @property
    def ok(self) -> bool:
        return self.result is not None and self.result >= 0


def strace(*options: str) -> list[str]:
    """A wrapper that leaves the traced program a direct child of ours, and does without the leak checker, which traces too."""
    found = shutil.which("strace")
    assert found is not None, "strace is needed for this test (packages-test.txt lists it)"
    asan = os.environ.get("ASAN_OPTIONS", "")
    return ["env", f"ASAN_OPTIONS={asan}:detect_leaks=0", found, "-D", "-f", *options]


def wait_for_end(trace: Path, pid: int, deadline_s: float = 60.0) -> None:
    """The tracer outlives the traced by a moment."""
    deadline = time.monotonic() + deadline_s
    while not re.search(rf"^{pid} +\+\+\+ (exited|killed)", trace.read_text(errors="replace")[-20000:], re.M):
        assert time.monotonic() < deadline, f"{trace} has no end"
        time.sleep(0.02)


def _finish(name: str, text: str, began: int, ended: int) -> Call:
    found = _RESULT.search(text)
    number = int(found[1]) if found and found[1] != "?" else None
    return Call(name, text, began, ended, number, found[2].strip() if found else "")


def calls(trace: Path) -> Iterator[Call]:
    """In the order in which they ended."""
    open_calls: dict[str, tuple[str, str, int]] = {}
    for place, line in enumerate(trace.read_text(errors="replace").splitlines()):
        found = _LINE.match(line)
        if not found:
            continue
        pid, text = found[1], found[2]
        resumed, begun = _RESUMED.match(text), _CALL.match(text)
        if resumed and pid in open_calls:
            name, start, began = open_calls.pop(pid)
            yield _finish(name, start + resumed[2], began, place)
        elif begun and text.endswith("<unfinished ...>"):
            open_calls[pid] = (begun[1], begun[2].removesuffix("<unfinished ...>"), place)
        elif begun:
            yield _finish(begun[1], begun[2], place, place)
