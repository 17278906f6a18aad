"""The history checker against histories that are valid, and against each way of breaking one."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from check_history import checker, edits, inject
from check_history.checker import VALID, check
from check_history.generate import generate
from check_history.model_world import History
from check_history.reader import MemorySource
from check_history.verdicts import INVARIANTS, PRECEDENCE, WITNESS_OPS_MAX

VALID_PER_TEST = 10
SEEDS = range(1, 11)


@functools.lru_cache(maxsize=len(SEEDS))
def history(seed: int) -> History:
    return generate(seed)


@pytest.mark.parametrize("first", range(10_000, 10_220, VALID_PER_TEST))
def test_check_history__raises_no_false_alarm(first: int) -> None:
    for seed in range(first, first + VALID_PER_TEST):
        result = check(MemorySource(generate(seed)))
        assert result.verdict == VALID, f"SEED={seed}: {result.name} {result.why}"


def test_check_history__valid_histories_hold_what_can_go_wrong() -> None:
    """A generator that makes nothing difficult would prove nothing."""
    total: dict[str, int] = {}
    for seed in SEEDS:
        counters = check(MemorySource(history(seed))).counters
        for name, count in {**counters, **counters["ops"], **counters["faults"]}.items():
            if isinstance(count, int):
                total[name] = total.get(name, 0) + count
    for name in ("retried", "redelivered", "unknown_present", "unknown_absent", "refused", "acks_in_faults", "final_pages",
                 "kill", "reset", "slow", "read-only", "send info", "send fail", "ackpos info", "member ok", "delete ok",
                 "status ok", "receipt_in ok", "presence_in ok", "mode ok", "auth ok"):  # fmt: skip
        assert total.get(name, 0) > 0, f"no {name} in {len(SEEDS)} histories: {total}"


@pytest.mark.parametrize("name", sorted(edits.KINDS))
def test_check_history__finds_and_names(name: str) -> None:
    for seed in SEEDS:
        files = inject.inject(name, history(seed), seed)
        if files is None:
            files = inject.broken(name, seed + inject.SEED_STEP)
        result = check(MemorySource(files))
        assert inject.complaint(name, result) == "", f"SEED={seed}"


def test_check_history__has_an_anomaly_of_every_verdict() -> None:
    assert len(edits.KINDS) >= 40
    assert {verdict for verdict, _ in edits.KINDS.values()} == set(PRECEDENCE)
    assert set(INVARIANTS) == set(PRECEDENCE)


def test_check_history__an_injection_leaves_the_original_alone() -> None:
    before = generate(3)
    for name in edits.KINDS:
        inject.inject(name, history(3), 3)
    assert history(3) == before


# Which check finds it, and one anomaly that only this check names.
ONLY = {
    "identity": "lost_and_number_given_again",
    "delivery": "framed_and_not_applied",
    "order": "reordered",
    "session": "head_falls",
    "causal": "answer_numbered_before_its_question",
    "membership": "frame_of_a_foreign_chat",
    "availability": "acknowledged_in_read_only",
    "receipts": "read_falls",
}


def test_check_history__no_check_is_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = checker.CHECKS
    assert {one.__module__.split(".")[-1] for one in checks} == set(ONLY)
    for module, name in ONLY.items():
        files = inject.broken(name, 1)
        monkeypatch.setattr(checker, "CHECKS", checks)
        assert inject.complaint(name, check(MemorySource(files))) == ""
        without = tuple(one for one in checks if not one.__module__.endswith(module))
        monkeypatch.setattr(checker, "CHECKS", without)
        assert inject.complaint(name, check(MemorySource(files))) != "", f"{name} is found without {module}"


def test_check_history__the_same_seed_gives_the_same_history() -> None:
    assert generate(5) == generate(5)
    assert generate(5) != generate(6)


@pytest.mark.parametrize("name", ["fork_in_history", "hole_in_history", "undelivered_one", "lost_without_a_trace"])
def test_check_history__a_witness_is_made_of_lines_of_the_logs(name: str) -> None:
    files = inject.broken(name, 2)
    result = check(MemorySource(files))
    assert 1 <= len(result.witness) <= WITNESS_OPS_MAX
    for shown in result.witness:
        line = {key: value for key, value in shown.items() if key not in ("file", "extra")}
        originals = [{k: v for k, v in other.items() if k != "extra"} for other in files[shown["file"]]]
        assert line in originals
        # Of a page only the entries around the numbers in question are shown.
        assert len(shown.get("extra", {}).get("got", ())) <= 9
