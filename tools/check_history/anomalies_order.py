"""Anomalies of order and of sessions: what came before what, and what a person may rely on from read to read."""

from __future__ import annotations

from check_history import verdicts as v
from check_history.edits import Edit, Sent, kind, lost_answer
from check_history.model_server import Fields

# ---------------------------------------------------------------------------------------------- order


def _neighbours(edit: Edit) -> list[tuple[Sent, Sent]]:
    """Whole messages at numbers s and s + 1 of one epoch."""
    sent = {(item.c, item.s): item for item in edit.sent()}
    pairs = [(item, sent.get((item.c, item.s + 1))) for item in sent.values()]
    return [(low, high) for low, high in pairs if high is not None and high.e == low.e]


def _swap(edit: Edit, low: Sent, high: Sent) -> None:
    """Their numbers are exchanged, in every view and in every answer."""
    edit.show(low.c, low.s, high.k, high.digest, high.sender)
    edit.show(low.c, high.s, low.k, low.digest, low.sender)
    for item, s in ((low, high.s), (high, low.s)):
        for _, outcome in edit.attempts()[item.k]:
            if outcome is not None and outcome["type"] == "ok":
                outcome["s"] = s
        for _, invoke, outcome in edit.pairs("status"):
            if invoke["k"] == item.k and outcome is not None and "s" in outcome:
                outcome["s"] = s


@kind(v.REORDERED)
def reordered(edit: Edit) -> None:
    """One was acknowledged before the other was sent, and yet has the higher number."""
    pair = edit.pick([(low, high) for low, high in _neighbours(edit)
                      if low.dev != high.dev and low.ok["t1"] < high.invoke["t0"]])  # fmt: skip
    _swap(edit, *pair)


@kind(v.FIFO)
def pipelined_in_the_wrong_order(edit: Edit) -> None:
    """Both were under way at once, so only the device's own order is broken."""
    attempts = edit.attempts()
    pair = edit.pick([(low, high) for low, high in _neighbours(edit)
                      if low.dev == high.dev and low.invoke["t0"] <= high.invoke["t0"] < low.ok["t1"]
                      and all(outcome and outcome["type"] != "fail" for _, outcome in attempts[low.k])])  # fmt: skip
    _swap(edit, *pair)


def _runs(edit: Edit) -> list[tuple[str, list[Fields]]]:
    """Frames of one chat on one connection that follow each other by one."""
    found: dict[tuple[str, int, str], list[Fields]] = {}
    for name, line in edit.each("frame"):
        found.setdefault((name, line["conn"], line["c"]), []).append(line)
    runs = []
    for (name, _, _), lines in found.items():
        if len(lines) >= 3 and all(line["extra"].get("type") != "gap" for line in lines):
            if all(after["s"] == before["s"] + 1 for before, after in zip(lines, lines[1:])):
                runs.append((name, lines))
    return runs


@kind(v.STREAM)
def frame_skipped(edit: Edit) -> None:
    """A hole in the live stream, which the client filled from history."""
    run = edit.pick(_runs(edit))
    name, lines = run
    line = edit.rng.choice(lines[1:-1])
    edit.remove_line(name, line)


@kind(v.STREAM)
def frames_out_of_order(edit: Edit) -> None:
    run = edit.pick(_runs(edit))
    _, lines = run
    at = edit.rng.randrange(len(lines) - 1)
    for field in ("s", "e", "k", "hash", "extra"):
        lines[at][field], lines[at + 1][field] = lines[at + 1][field], lines[at][field]


@kind(v.STREAM)
def resume_off_by_one(edit: Edit) -> None:
    """The first number after the cursor is left out when the device comes back; the client filled it from history."""
    found = []
    for name, lines in _runs(edit):
        first = lines[0]
        acked = [line for _, line in edit.each("ackpos", "invoke", first["dev"]) if line["c"] == first["c"]]
        before = max((line["s"] for line in acked if line["conn"] < first["conn"]), default=0)
        here = any(line["conn"] == first["conn"] and line["s"] >= first["s"] and line["t0"] <= lines[1]["t1"] for line in acked)
        if before and first["s"] == before + 1 and not here:
            if first["s"] not in edit.intervals(first["c"])[first["user"]][-1]:
                found.append((name, first))
    pair = edit.pick(found)
    edit.remove_line(*pair)


# ---------------------------------------------------------------------------------------------- sessions


def _own_acks(edit: Edit, c: str) -> dict[str, list[Sent]]:
    found: dict[str, list[Sent]] = {}
    for item in edit.sent():
        if item.c == c:
            found.setdefault(item.sender, []).append(item)
    return found


def _shorten(edit: Edit, dev: str, c: str, head: int) -> None:
    """Every history read of the chat by this device ends at `head`."""
    for _, line in edit.pages(c, dev=dev):
        edit.set_page(line, lambda entry: bool(entry[0] <= head), head=min(head, line["extra"]["head"]))


@kind(v.READ_YOUR_WRITES)
def own_write_not_shown(edit: Edit) -> None:
    """A fresh device of a person does not see what another of their devices had acknowledged."""
    found: list[tuple[Fields, Sent]] = []
    for invoke, line in edit.pages(final=True):
        own = _own_acks(edit, invoke["c"]).get(invoke["user"], [])
        found.extend((invoke, item) for item in own if item.s <= line["extra"]["head"])
    pair = edit.pick(found)
    invoke, item = pair
    _shorten(edit, invoke["dev"], invoke["c"], item.s - 1)


@kind(v.MONOTONIC)
def head_falls(edit: Edit) -> None:
    found: list[tuple[Fields, str, int]] = []
    for _, line in edit.each("resume", "ok"):
        for c, head in line["extra"]["heads"].items():
            seen = [other["s"] for _, other in edit.frames(c, dev=line["dev"]) if other["t1"] < line["t0"]]
            found.extend([(line, c, max(seen) - 1)] if seen and head >= max(seen) > 1 else [])
    _lower(edit, found, "heads")


@kind(v.MONOTONIC)
def cursor_falls(edit: Edit) -> None:
    found: list[tuple[Fields, str, int]] = []
    for _, line in edit.each("resume", "ok"):
        for c in line["extra"]["cursors"]:
            done = [invoke["s"] for _, invoke, outcome in edit.pairs("ackpos", line["dev"])
                    if invoke["c"] == c and outcome is not None and outcome["type"] == "ok" and outcome["t1"] < line["t0"]]  # fmt: skip
            found.extend([(line, c, max(done) - 1)] if done else [])
    _lower(edit, found, "cursors")


def _lower(edit: Edit, found: list[tuple[Fields, str, int]], what: str) -> None:
    choice = edit.pick(found)
    line, c, value = choice
    line["extra"] = {**line["extra"], what: {**line["extra"][what], c: value}}


@kind(v.MONOTONIC)
def history_goes_back(edit: Edit) -> None:
    """A device that had got a number live reads a history that ends below it."""
    found: list[tuple[Fields, int]] = []
    for invoke, line in edit.pages():
        if invoke["extra"]["after"] is None:
            continue
        seen = [other["s"] for _, other in edit.frames(invoke["c"], dev=invoke["dev"]) if other["t1"] < invoke["t0"]]
        found.extend([(line, max(seen))] if seen and line["extra"]["head"] >= max(seen) else [])
    choice = edit.pick(found)
    line, s = choice
    edit.set_page(line, lambda entry: bool(entry[0] < s), head=s - 1)


@kind(v.WRITES_FOLLOW_READS)
def answer_without_its_question(edit: Edit) -> None:
    """A person got a message, and then could not fetch what its sender had read before sending it."""
    found = []
    sent = edit.sent()
    acked: dict[str, list[tuple[int, str]]] = {}
    for _, invoke, outcome in edit.pairs("send"):
        if outcome is not None and outcome["type"] == "ok":
            acked.setdefault(invoke["c"], []).append((outcome["s"], invoke["user"]))
    applied: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for _, line in edit.each("apply"):
        applied.setdefault((line["dev"], line["c"]), []).append((line["s"], line["t1"]))
    for invoke, line in edit.pages(final=True):
        c, user = invoke["c"], invoke["user"]
        floor = max((s for s, own in acked.get(c, ()) if own == user), default=0)
        ranges = edit.intervals(c).get(user)
        if ranges is None or ranges[-1][1]:
            continue
        for item in sent:
            read = [s for s, t in applied.get((item.dev, c), ()) if t < item.invoke["t0"]]
            highest = max(read, default=0)
            if max(floor, ranges[-1][0]) < highest <= line["extra"]["head"]:
                if any(frame["user"] == user for _, frame in edit.frames(item.c, item.s)):
                    found.append((invoke, highest))
    choice = edit.pick(found)
    invoke, s = choice
    _shorten(edit, invoke["dev"], invoke["c"], s - 1)


@kind(v.CAUSAL)
def answer_numbered_before_its_question(edit: Edit) -> None:
    """A device had read a message, unacknowledged so far, when it sent its own, which got the lower number."""
    found = []
    for low, high in _neighbours(edit):
        read = [line for _, line in edit.applies(low.c, low.s, high.dev) if line["t1"] < high.invoke["t0"]]
        if low.dev != high.dev and read:
            found.append((low, high))
    pair = edit.pick(found)
    low, high = pair
    own = f"client-{high.dev}.jsonl"
    kept = [dict(line) for line in edit.files[own]]
    _swap(edit, low, high)
    for _, outcome in edit.attempts()[low.k]:
        lost_answer(outcome)
    # The answering device met them the other way round: what it shows keeps its order, under the exchanged numbers.
    for line, before in zip(edit.files[own], kept):
        if line["f"] in ("frame", "apply") and line["c"] == low.c and line["s"] in (low.s, high.s):
            line.update(before)
            line["s"] = low.s + high.s - before["s"]
