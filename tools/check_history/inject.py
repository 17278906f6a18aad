"""Who checks the checker: breaks valid histories in known ways; each must be found, under its right name.

    python3 tools/check_history/inject.py --list               the kinds and the verdict each must get
    python3 tools/check_history/inject.py --seeds 1000         every kind that many times; --kind NAME for one
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from check_history import anomalies_delivery, anomalies_identity, anomalies_order, anomalies_use
from check_history.checker import INVALID, Result, check
from check_history.edits import KINDS, Edit, NoPlace
from check_history.generate import generate
from check_history.model_world import History
from check_history.reader import MemorySource
from check_history.verdicts import WITNESS_OPS_MAX

# A history without a place for an anomaly (nobody was removed in it) is passed over for the next seed.
TRIES_MAX = 60
SEED_STEP = 1_000_003
MODULES = (anomalies_delivery, anomalies_identity, anomalies_order, anomalies_use)  # importing them fills KINDS


def inject(name: str, history: History, seed: int) -> History | None:
    """A broken copy, or None when this history has no place for the anomaly."""
    edit = Edit(history, seed)
    try:
        KINDS[name][1](edit)
    except NoPlace:
        return None
    return edit.files


def broken(name: str, seed: int) -> History:
    """A broken history of this kind, from this seed or the first later one that has a place for it."""
    for attempt in range(TRIES_MAX):
        at = seed + attempt * SEED_STEP
        files = inject(name, generate(at), at)
        if files is not None:
            return files
    raise NoPlace(f"{name}: no place in {TRIES_MAX} histories from seed {seed}")


def complaint(name: str, result: Result) -> str:
    """What is wrong with the checker's answer to an anomaly; empty when nothing is."""
    expected = KINDS[name][0]
    if result.verdict != INVALID:
        return f"{result.verdict} {result.why}".strip()
    if result.name != expected:
        return f"called {result.name} ({result.why})"
    if not 1 <= len(result.witness) <= WITNESS_OPS_MAX:
        return f"a witness of {len(result.witness)} ops"
    return ""


def one_seed(arguments: tuple[int, tuple[str, ...]]) -> list[tuple[str, int, str]]:
    """All kinds on the history of one seed: kind, seed that was used, complaint."""
    seed, names = arguments
    history = generate(seed)
    answers = []
    for name in names:
        files = inject(name, history, seed)
        try:
            if files is None:
                files = broken(name, seed + SEED_STEP)
            answers.append((name, seed, complaint(name, check(MemorySource(files)))))
        except NoPlace as error:
            answers.append((name, seed, str(error)))
    return answers


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="inject.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="the kinds, and the verdict each must get")
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="injections of each kind (default 10)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="the first seed (default 1)")
    parser.add_argument("--kind", choices=sorted(KINDS), action="append", help="only this kind; may be repeated")
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count(), metavar="N")
    options = parser.parse_args(argv)
    names = tuple(options.kind or sorted(KINDS))
    if options.list:
        for name in names:
            print(f"{name:42} {KINDS[name][0]}")
        print(f"{len(names)} kinds, {len({KINDS[name][0] for name in names})} verdicts")
        return 0
    began = time.monotonic()
    found: Counter[str] = Counter()
    wrong = 0
    work = [(seed, names) for seed in range(options.seed, options.seed + options.seeds)]
    with multiprocessing.Pool(options.jobs) as pool:
        for answers in pool.imap_unordered(one_seed, work):
            for name, seed, what in answers:
                found[name] += not what
                if what:
                    wrong += 1
                    print(f"WRONG {name} seed {seed}: expected {KINDS[name][0]}, got {what}", flush=True)
    for name in names:
        print(f"{name:42} {KINDS[name][0]:22} {found[name]} of {options.seeds}")
    print(f"{len(names)} kinds, {len(names) * options.seeds} injections, {wrong} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
