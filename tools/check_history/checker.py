"""All checks over one source, and the verdict."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import Any

from check_history import availability, causal, coverage, delivery, identity, membership, order, receipts, session
from check_history.load import Loader
from check_history.reader import Event, Source
from check_history.verdicts import INVARIANTS, Finding, Findings
from check_history.witness import witness

VALID, INVALID, UNKNOWN = "valid", "invalid", "unknown"
EXIT_CODES = {VALID: 0, INVALID: 1, UNKNOWN: 2}
UNKNOWN_REASONS_SHOWN = 10
CHECKS = (
    identity.check, delivery.check, order.check, session.check, causal.check, membership.check, availability.check,
    receipts.check,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    verdict: str  # VALID, INVALID or UNKNOWN
    name: str  # of the violation; empty otherwise
    why: str
    witness: list[Event]
    also: dict[str, int]  # every violation found, with how often
    findings: list[Finding]
    counters: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"verdict": self.verdict}
        if self.name:
            shown["name"] = self.name
            shown["invariants"] = INVARIANTS[self.name]
        if self.why:
            shown["why"] = self.why
        if self.verdict == INVALID:
            shown["witness"] = self.witness
            shown["found"] = self.also
        shown["counters"] = self.counters
        return shown


def check(source: Source, acked_min: int | None = None) -> Result:
    # Millions of small objects that all stay: collecting them again and again would take a third of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        model = Loader(source).load()
        found = Findings()
        for one in CHECKS:
            one(model, found)
        ordered = found.ordered()
        counted = coverage.counters(model)
        if ordered:
            first = ordered[0]
            return Result(INVALID, first.verdict, first.why, witness(source, first), dict(found.counts), ordered, counted)
        reasons = coverage.unknowns(model, acked_min)
        if reasons:
            shown = reasons[:UNKNOWN_REASONS_SHOWN]
            more = len(reasons) - len(shown)
            why = "; ".join(shown) + (f"; and {more} more" if more else "")
            return Result(UNKNOWN, "", why, [], {}, [], counted)
        return Result(VALID, "", "", [], {}, [], counted)
    finally:
        if collecting:
            gc.enable()
