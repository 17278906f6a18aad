"""Were writes possible when they had to be, and impossible when they must not be? I-L1, I-L2, I-D4."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass

from check_history import verdicts as v
from check_history.model import (
    ATTEMPT_FAIL, ATTEMPT_INFO, ATTEMPT_OK, ATTEMPT_REFUSED, NEVER, SECOND, Device, Fault, Model, Range,
)  # fmt: skip
from check_history.verdicts import Findings

GAP_SECONDS_MAX = 10
GAP_REGION_SECONDS_MAX = 300
# Retries are not further apart than this: failures that are count as two times, not as one.
IDLE_SECONDS_MAX = 5
HEAL_SECONDS = 30
HEALED_SENDS_MIN = 1000
HEALED_SUCCESS_MIN = 0.999
# The banner may be this late in going: a write that is accepted before it went is no violation.
BANNER_SECONDS_MAX = 5


def check(model: Model, found: Findings) -> None:
    _gaps(model, found)
    _healed(model, found)
    for dev in model.devices.values():
        _read_only(dev, found)


def covered(ranges: list[Range], low: int, high: int) -> int:
    """How much of low..high these merged ranges cover."""
    at = max(bisect_right(ranges, (low, NEVER)) - 1, 0)
    total = 0
    while at < len(ranges) and ranges[at][0] <= high:
        total += max(0, min(high, ranges[at][1]) - max(low, ranges[at][0]))
        at += 1
    return total


def fault_windows(model: Model, down_only: bool = False) -> list[Range]:
    """When faults were on, merged. One without an end lasts until the drain."""
    merged: list[Range] = []
    for fault in sorted(model.faults, key=lambda item: item.t0):
        if down_only and not fault.down:
            continue
        end = min(fault.t1, model.drain_t)
        if merged and fault.t0 <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((fault.t0, end))
    return merged


def _gaps(model: Model, found: Findings) -> None:
    """How long sends of a chat, or connects of a device, were tried and none succeeded, less what was down by intent."""
    down = fault_windows(model, down_only=True)
    regions = [fault for fault in model.faults if fault.region]
    oks: dict[int, list[tuple[int, int]]] = {}
    tries: dict[int, list[tuple[int, int, int]]] = {}
    for chat, t0, t1, ok, ref in zip(model.attempt_chat, model.attempt_t0, model.attempt_t1, model.attempt_ok, model.attempt_ref):
        if ok == ATTEMPT_OK:
            oks.setdefault(chat, []).append((t1, ref))
        elif ok != ATTEMPT_REFUSED:
            tries.setdefault(chat, []).append((t0, t1, ref))
    for chat_model in model.chats.values():
        done = sorted(oks.get(chat_model.index, ()))
        for failing in failing_times(done, tries.get(chat_model.index, [])):
            if failing.length(down) > _limit(regions, failing.start, failing.end) * SECOND:
                why = f"no send to {chat_model.name} succeeded for {(failing.end - failing.start) / SECOND:.1f} s"
                found.add(v.AVAILABILITY, why, failing.refs(done))
    for dev in model.devices.values():
        done = sorted((conn.t_open, conn.ref) for conn in dev.conns if conn.t_open != NEVER)
        for failing in failing_times(done, [(conn.t0, conn.t_close, conn.ref) for conn in dev.conns if conn.refused]):
            if failing.length(down) > _limit(regions, failing.start, failing.end) * SECOND:
                why = f"{dev.name} could not connect for {(failing.end - failing.start) / SECOND:.1f} s"
                found.add(v.AVAILABILITY, why, failing.refs(done))


@dataclass(slots=True)
class Failing:
    """A time in which tries failed one after the other; `after` is the place of the success that came next."""

    start: int
    end: int
    first: int
    last: int
    after: int

    def length(self, down: list[Range]) -> int:
        return self.end - self.start - covered(down, self.start, self.end)

    def refs(self, done: list[tuple[int, int]]) -> list[int]:
        before = done[self.after - 1][1] if self.after else -1
        return [before, self.first, self.last, done[self.after][1] if self.after < len(done) else -1]


def failing_times(done: list[tuple[int, int]], tries: list[tuple[int, int, int]]) -> list[Failing]:
    """Failed tries (begin, end, ref) that follow each other closely, without a success (time, ref) in between.

    Two failures with a long time between them in which nobody tried say nothing about that time.
    """
    times = [t for t, _ in done]
    found: list[Failing] = []
    for t0, t1, ref in sorted(tries):
        after = bisect_left(times, t0)
        end = min(t1, times[after]) if after < len(times) else t1
        if found and found[-1].after == after and t0 <= found[-1].end + IDLE_SECONDS_MAX * SECOND:
            found[-1].end, found[-1].last = max(found[-1].end, end), ref
        else:
            found.append(Failing(t0, end, ref, ref, after))
    return found


def _limit(regions: list[Fault], start: int, end: int) -> int:
    touched = any(fault.t0 <= end and start <= fault.t1 for fault in regions)
    return GAP_REGION_SECONDS_MAX if touched else GAP_SECONDS_MAX


def _healed(model: Model, found: Findings) -> None:
    """From 30 s after the last fault healed to the drain: 99.9 % of sends succeed."""
    if not model.faults or any(fault.t1 == NEVER for fault in model.faults):
        return
    start = max(fault.t1 for fault in model.faults) + HEAL_SECONDS * SECOND
    outcomes: Counter[int] = Counter()
    refs: list[int] = []
    for t0, ok, ref in zip(model.attempt_t0, model.attempt_ok, model.attempt_ref):
        if start <= t0 < model.drain_t and ok != ATTEMPT_REFUSED:
            outcomes[ok] += 1
            if ok != ATTEMPT_OK and len(refs) < v.WITNESS_OPS_MAX:
                refs.append(ref)
    total = outcomes.total()
    if total >= HEALED_SENDS_MIN and outcomes[ATTEMPT_OK] < HEALED_SUCCESS_MIN * total:
        found.add(v.AVAILABILITY, f"after faults had healed, {total - outcomes[ATTEMPT_OK]} of {total} sends did not succeed", refs)


def _read_only(dev: Device, found: Findings) -> None:
    """A send begun after the banner came, and acknowledged well before it went: the server wrote while it said it cannot.

    A repeat of a send that may have been written before the banner only gets the first answer again, which is no write.
    """
    for index, mode in enumerate(dev.modes):
        if not mode.read_only:
            continue
        end = dev.conns[mode.conn].t_close
        if index + 1 < len(dev.modes) and dev.modes[index + 1].conn == mode.conn:
            end = min(end, dev.modes[index + 1].t)
        for send in dev.sends:
            for ack in send.acks:
                if min(ack.invoked, send.t_unsure) > mode.t and ack.t < end - BANNER_SECONDS_MAX * SECOND:
                    found.add(v.ACK_READ_ONLY, f"{send.k} was acknowledged in read-only mode", [mode.ref, send.ref, ack.ref])


def per_fault(model: Model) -> dict[str, dict[str, int]]:
    """Attempts begun under each kind of fault, by outcome: for the report."""
    windows: dict[str, list[Range]] = {}
    for fault in model.faults:
        windows.setdefault(fault.kind, []).append((fault.t0, min(fault.t1, model.drain_t)))
    names = {ATTEMPT_OK: "ok", ATTEMPT_FAIL: "fail", ATTEMPT_REFUSED: "refused", ATTEMPT_INFO: "info"}
    table: dict[str, dict[str, int]] = {}
    for kind, ranges in windows.items():
        ranges.sort()
        starts = [low for low, _ in ranges]
        row = table[kind] = {"windows": len(ranges), **dict.fromkeys(names.values(), 0)}
        for t0, ok in zip(model.attempt_t0, model.attempt_ok):
            at = bisect_right(starts, t0) - 1
            if at >= 0 and t0 <= ranges[at][1]:
                row[names[ok]] += 1
    return table
