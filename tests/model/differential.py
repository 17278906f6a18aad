"""The model against the C, natively and as WebAssembly: cases by chance, step by step.

    cd tests && KITH_KITH1=PROGRAM KITH_WASM=FOLDER KITH_NODE=NODE python -m model.differential SEED [COUNT [groups]]

`groups`: those of random_groups.py instead of random_cases.py.
KITH_KITH1 is the built test_e2e_kith1; without it, or without KITH_WASM, that side is left out. Printed is the first step that
comes out otherwise, in the shortest case that still has it, which is left in the folder KITH_FINDINGS, or among temporary files.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import make_vectors, random_cases, random_groups
from .cases import Case

BATCH = 50
HERE = Path(__file__).resolve().parent
Step = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """A program that runs a file of cases and says what is not as in it; 0 when all is."""

    name: str
    command: list[str]

    def complaint(self, path: Path) -> str | None:
        done = subprocess.run([*self.command, str(path)], capture_output=True, text=True)
        return None if done.returncode == 0 else done.stderr + done.stdout or f"exit {done.returncode}"


def sides() -> list[Side]:
    found = []
    if native := os.environ.get("KITH_KITH1"):
        found.append(Side("native", [native]))
    if os.environ.get("KITH_WASM"):
        found.append(Side("wasm", [os.environ.get("KITH_NODE", "node"), str(HERE.parent / "wasm" / "kith1_file.mjs")]))
    if not found:
        sys.exit("neither KITH_KITH1 nor KITH_WASM is set: nothing to compare the model with")
    return found


def written(folder: Path, name: str, cases: list[Case]) -> Path:
    path = folder / f"{name}.json"
    path.write_text(make_vectors.file_text("tests/model/differential.py", cases), encoding="utf-8")
    return path


# ---------------------------------------------------------------------------------------------- shrinking
def again(name: str, steps: list[Step]) -> Case | None:
    """The case of these steps alone, as the model has it; None when they make none."""
    case = Case(name)
    try:
        for step in steps:
            args = dict(step["args"])
            if step["do"] == "decrypt":
                coins = bytes.fromhex(args["coins"]) or bytes(range(32))
                args["coins"] = random_cases.coins_of(case.run, args, coins).hex()
            case.take(step["do"], args)
    except (AssertionError, KeyError):
        return None
    return case


def shrunk(case: Case, differs: Callable[[Case], bool]) -> Case:
    """Fewer and fewer steps, as long as they still differ."""
    size = len(case.steps) // 2
    while size > 0:
        at, before = 0, len(case.steps)
        while at < len(case.steps):
            shorter = again(case.name, case.steps[:at] + case.steps[at + size :])
            if shorter is not None and shorter.steps and differs(shorter):
                case = shorter
            else:
                at += size
        if size == 1 and len(case.steps) == before:
            break
        size = max(1, size // 2)
    return case


# ---------------------------------------------------------------------------------------------- comparing
def batch_differs(side: Side, path: Path, cases: list[Case]) -> Case | None:
    """The first case of which the side complains."""
    complaint = side.complaint(path)
    if complaint is None:
        return None
    told = re.search(r"SEED=\d+", complaint)
    suspects = [case for case in cases if told and case.name == told[0]] or cases  # it may have died without a word
    return next((case for case in suspects if side.complaint(written(path.parent, f"one-{side.name}", [case]))), cases[0])


def report(side: Side, case: Case, folder: Path) -> None:
    path = Path(os.environ.get("KITH_FINDINGS", tempfile.gettempdir())) / f"kith1-{side.name}-{case.name}.json"
    short = shrunk(case, lambda one: side.complaint(written(folder, "shrinking", [one])) is not None)
    path.write_text(make_vectors.file_text("tests/model/differential.py", [short]), encoding="utf-8")
    print(f"{side.name} differs from the model: {case.name}, {len(case.steps)} steps, shrunk to {len(short.steps)}: {path}")
    for step in short.steps:
        of = next((step["args"][name] for name in ("session", "group", "chain") if name in step["args"]), "")
        print(f"  {step['do']} {of} {step.get('err', '')}".rstrip())
    print((side.complaint(path) or "").strip())


def main() -> int:
    seed, count = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    case_of = random_groups.case_of if sys.argv[3:] == ["groups"] else random_cases.case_of
    all_sides, steps = sides(), 0
    with tempfile.TemporaryDirectory(prefix="kith1-") as name, ThreadPoolExecutor(len(all_sides)) as pool:
        folder = Path(name)
        for first in range(seed, seed + count, BATCH):
            cases = [case_of(number) for number in range(first, min(first + BATCH, seed + count))]
            path = written(folder, "batch", cases)
            steps += sum(len(case.steps) for case in cases)
            found = pool.map(lambda side, path=path, cases=cases: batch_differs(side, path, cases), all_sides)  # type: ignore[misc]
            bad = [(side, case) for side, case in zip(all_sides, found) if case is not None]
            for side, case in bad:
                report(side, case, folder)
            if bad:
                return 1
    names = ", ".join(side.name for side in all_sides)
    print(f"SEED={seed} to {seed + count - 1}: {count} cases, {steps} steps, the same in the model and {names}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
