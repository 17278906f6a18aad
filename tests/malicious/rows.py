#!/usr/bin/env python3
"""Which tests each row of README.md has, and how they end on both: compiled for this machine, and as WebAssembly in Node.

    ./dev build debug && ./dev test malicious-wasm && tests/malicious/rows.py    writes rows.md

Runs all of build/debug/bin/test_malicious_* and build/wasm/tests/test_malicious_*.wasm. That rows.md has the tests that there are is a gate
(tests/tools/test_malicious_rows.py); that they pass is one each.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HEAD = ["# The rows and their tests", "", "Written by `rows.py`.", "", "| row | test | native | wasm |", "|---|---|---|---|"]


def rows() -> list[int]:
    """The numbers of README.md's first table: those that block a release."""
    first = (HERE / "README.md").read_text().split("| row |")[1]
    return [int(n) for n in re.findall(r"^\| (\d+) \|", first, re.M)]


def tests() -> list[tuple[int, str, str]]:
    """row, name, the program that has it; of those that the programs run."""
    found = []
    for path in HERE.glob("test_*.c"):
        for name in re.findall(r"cmocka_unit_test\((\w+)\)", path.read_text()):
            number = re.match(r"test_malicious__e2e_(\d+)_", name)
            assert number, f"{name} says of no row"
            found.append((int(number[1]), name, path.stem))
    return sorted(found)


def shown() -> list[tuple[int, str]]:
    """row, name; of rows.md."""
    return [(int(row), name) for row, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", (HERE / "rows.md").read_text(), re.M)]


def ends(command: list[str]) -> dict[str, str]:
    said = subprocess.run(command, cwd=ROOT, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
    return {name: "passes" if word == "OK" else "**fails**" for word, name in re.findall(r"^\[ +(OK|FAILED) +\] (test_\w+)", said, re.M)}


def main() -> int:
    found = tests()
    node = os.environ.get("KITH_NODE") or next(str(p) for p in Path.home().glob(".cache/kith/venv-*/bin/node"))
    native, wasm = {}, {}
    for program in {program for _, _, program in found}:
        native |= ends([f"build/debug/bin/{program}"])
        wasm |= ends([node, "--no-warnings", "tests/wasm/run_tests.mjs", f"build/wasm/tests/{program}.wasm"])
    lines = [f"| {row} | `{name}` | {native.get(name, '**not run**')} | {wasm.get(name, '**not run**')} |" for row, name, _ in found]
    (HERE / "rows.md").write_text("\n".join(HEAD + lines) + "\n")
    return 1 if any("**" in line for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
