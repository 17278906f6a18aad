"""Anomalies of what is kept and what arrives: holes, losses, things that never come or come twice."""

from __future__ import annotations

from check_history import verdicts as v
from check_history.edits import DUMP, NEMESIS, RESTORE, Edit, Sent, in_final, kind, lost_answer
from check_history.model_client import SECOND
from check_history.model_server import Fields


# ---------------------------------------------------------------------------------------------- gap/stuck


@kind(v.GAP)
def hole_in_dump(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if item.s < edit.heads[item.c] and in_final(edit, item)
                      and edit.stored(item.c)[edit.heads[item.c]]["type"] != "gap"])  # fmt: skip
    edit.remove(lambda name, line: name == DUMP and line["c"] == item.c and line["s"] == item.s)


@kind(v.GAP)
def hole_in_restore(edit: Edit) -> None:
    tops = {line["c"]: line["s"] for line in edit.files[RESTORE] if line["type"] != "gap"}
    item = edit.pick([item for item in edit.sent() if item.s < tops.get(item.c, 0)])
    edit.remove(lambda name, line: name == RESTORE and line["c"] == item.c and line["s"] == item.s)


def _inner(edit: Edit) -> list[tuple[Fields, int]]:
    """Entries in the middle of a page, of the reader's latest membership: the page and the number."""
    found: list[tuple[Fields, int]] = []
    for invoke, line in edit.pages():
        ranges = edit.intervals(invoke["c"]).get(invoke["user"])
        numbers = [entry[0] for entry in line["extra"]["got"]]
        if ranges:
            found.extend((line, s) for s in numbers[1:-1] if s > ranges[-1][0] and s + 1 in numbers and s - 1 in numbers)
    return found


@kind(v.GAP)
def hole_in_history(edit: Edit) -> None:
    found = edit.pick(_inner(edit))
    edit.set_page(found[0], lambda entry: bool(entry[0] != found[1]))


@kind(v.GAP)
def gap_claimed_over_a_message(edit: Edit) -> None:
    """A reader is told that a message is gone for good, which is still there."""
    whole = {(item.c, item.s) for item in edit.sent()}
    chats = {(invoke["dev"], invoke["op"]): invoke["c"] for invoke, _ in edit.pages()}
    found = edit.pick([(line, s) for line, s in _inner(edit) if (chats[line["dev"], line["op"]], s) in whole])
    line, s = found
    edit.set_page(line, lambda entry: bool(entry[0] != s), gaps=[*line["extra"]["gaps"], [s, s, "retention"]])


@kind(v.GAP)
def stuck_history(edit: Edit) -> None:
    """The head is told, the page ends below it, and yet it is no full page."""
    found = []
    for invoke, line in edit.pages():
        ranges = edit.intervals(invoke["c"]).get(invoke["user"])
        got = line["extra"]["got"]
        if ranges and invoke["extra"]["after"] is not None and got and got[-1][0] >= ranges[-1][0]:
            found.append(line)
    line = edit.pick(found)
    last = line["extra"]["got"][-1][0]
    edit.set_page(line, lambda entry: bool(entry[0] < last))


# ---------------------------------------------------------------------------------------------- lost


def _last_of_chat(edit: Edit) -> list[Sent]:
    return [item for item in edit.sent() if item.s == edit.heads[item.c]]


@kind(v.LOST)
def lost_without_a_trace(edit: Edit) -> None:
    """The last acknowledged message of a chat is in no view."""
    item = edit.pick(_last_of_chat(edit))
    edit.cut(item.c, item.s, live=True, pages=lambda invoke: True, dump=True)


@kind(v.LOST)
def lost_and_number_given_again(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    edit.show(item.c, item.s, *edit.rival(item), item.sender)


@kind(v.LOST)
def lost_after_it_was_seen(edit: Edit) -> None:
    """A crash took the end of a chat, which devices had got live."""
    item = edit.pick([item for item in edit.sent() if edit.frames(item.c, item.s)])
    edit.cut(item.c, item.s, live=False, pages=lambda invoke: bool(invoke["t0"] >= edit.drain_t), dump=True)


@kind(v.LOST)
def lost_end_of_dump(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if in_final(edit, item)])
    edit.cut(item.c, item.s, live=False, pages=lambda invoke: False, dump=True)


@kind(v.LOST)
def lost_without_ack_after_it_was_seen(edit: Edit) -> None:
    """Nobody acknowledged it, but it was shown: then it was durable, or should have been."""
    item = edit.pick([item for item in _last_of_chat(edit) if edit.frames(item.c, item.s)])
    for _, outcome in edit.attempts()[item.k]:
        lost_answer(outcome)
    edit.cut(item.c, item.s, live=False, pages=lambda invoke: bool(invoke["t0"] >= edit.drain_t), dump=True)


@kind(v.LOST_TO_CLIENTS)
def only_in_the_dump(edit: Edit) -> None:
    item = edit.pick(_last_of_chat(edit))
    edit.cut(item.c, item.s, live=True, pages=lambda invoke: True, dump=False)


@kind(v.LOST_TO_CLIENTS)
def only_in_the_dump_unacknowledged(edit: Edit) -> None:
    item = edit.pick(_last_of_chat(edit))
    for _, outcome in edit.attempts()[item.k]:
        lost_answer(outcome)
    edit.cut(item.c, item.s, live=True, pages=lambda invoke: True, dump=False)


# ---------------------------------------------------------------------------------------------- undelivered


def _owed(edit: Edit) -> list[tuple[str, str, int]]:
    """Device, chat, number: what a drained device applied of its person's latest membership."""
    found = []
    for dev, user in edit.devices().items():
        for _, line in edit.each("apply", dev=dev):
            stored = edit.stored(line["c"]).get(line["s"])
            if line["s"] >= edit.intervals(line["c"])[user][-1][0] and stored is not None and stored["type"] != "gap":
                found.append((dev, line["c"], line["s"]))
    return found


@kind(v.UNDELIVERED)
def undelivered_end(edit: Edit) -> None:
    """A device hears nothing of a chat any more."""
    found = edit.pick(_owed(edit))
    dev, c, first = found
    own = f"client-{dev}.jsonl"
    edit.remove(lambda name, line: name == own and line["f"] in ("frame", "apply") and line["c"] == c and line["s"] >= first)
    for name, invoke, _ in list(edit.pairs("ackpos", dev)):
        if invoke["c"] == c and invoke["s"] >= first:
            edit.remove_op(name, invoke["op"])


@kind(v.UNDELIVERED)
def undelivered_one(edit: Edit) -> None:
    found = edit.pick(_owed(edit))
    dev, c, s = found
    own = f"client-{dev}.jsonl"
    edit.remove(lambda name, line: name == own and line["f"] in ("frame", "apply") and line["c"] == c and line["s"] == s)


@kind(v.UNDELIVERED)
def framed_and_not_applied(edit: Edit) -> None:
    found = edit.pick(_owed(edit))
    dev, c, s = found
    own = f"client-{dev}.jsonl"
    edit.remove(lambda name, line: name == own and line["f"] == "apply" and line["c"] == c and line["s"] == s)


# ---------------------------------------------------------------------------------------------- twice


@kind(v.DUPLICATED_TO_USER)
def applied_twice(edit: Edit) -> None:
    name, line = edit.rng.choice(list(edit.each("apply")))
    edit.insert_after(name, line, {**line, "t1": line["t1"] + 1})


@kind(v.DUPLICATED_TO_USER)
def redelivery_applied_again(edit: Edit) -> None:
    """The client's own table of what it has was not there after a reconnect."""
    again = [(name, line) for name, line in edit.each("frame") if line["extra"].get("redelivered")
             and any(other["t1"] < line["t1"] for _, other in edit.applies(line["c"], line["s"], line["dev"]))]  # fmt: skip
    found = edit.pick(again)
    name, line = found
    edit.insert_after(name, line, {**line, "f": "apply", "extra": {}})


# ---------------------------------------------------------------------------------------------- spurious redelivery


@kind(v.SPURIOUS)
def redelivered_without_flag(edit: Edit) -> None:
    seen: set[tuple[str, str, int]] = set()
    again = []
    for _, line in edit.each("frame"):
        key = (line["dev"], line["c"], line["s"])
        if key in seen and line["extra"].get("redelivered"):
            again.append(line)
        seen.add(key)
    line = edit.pick(again)
    line["extra"] = {name: value for name, value in line["extra"].items() if name != "redelivered"}


@kind(v.SPURIOUS)
def redelivered_below_the_cursor(edit: Edit) -> None:
    """What was acknowledged, and confirmed, comes again at a later connection."""
    found: list[tuple[Fields, Fields]] = []
    for dev in edit.devices():
        resumes = [line for _, line in edit.each("resume", "ok", dev)]
        for _, invoke, outcome in edit.pairs("ackpos", dev):
            later = [line for line in resumes if outcome is not None and outcome["type"] == "ok"
                     and line["conn"] > outcome["conn"]]  # fmt: skip
            frames = edit.frames(invoke["c"], invoke["s"], dev) if later else []
            found.extend((line, frames[0][1]) for line in later[:1] if frames)
    pair = edit.pick(found)
    resume, frame = pair
    new = {**frame, "conn": resume["conn"], "t1": resume["t1"], "extra": {**frame["extra"], "redelivered": True}}
    edit.insert_after(f"client-{resume['dev']}.jsonl", resume, new)


@kind(v.SPURIOUS)
def twice_on_one_connection(edit: Edit) -> None:
    name, line = edit.rng.choice([(name, line) for name, line in edit.each("frame") if line["extra"].get("type") != "gap"])
    edit.insert_after(name, line, {**line, "t1": line["t1"] + 1, "extra": {**line["extra"], "redelivered": True}})


# ---------------------------------------------------------------------------------------------- region loss


def _region_lost(edit: Edit, t: int) -> None:
    edit.files[NEMESIS].append({"f": "fault", "type": "start", "op": 900, "t1": t, "extra": {"kind": "region"}})


@kind(v.REGION_LOSS)
def region_took_old_messages(edit: Edit) -> None:
    item = edit.pick(_last_of_chat(edit))
    acked = max(outcome["t1"] for _, outcome in edit.attempts()[item.k] if outcome is not None)
    edit.cut(item.c, item.s, live=True, pages=lambda invoke: True, dump=True)
    _region_lost(edit, acked + edit.rng.randint(61, 90) * SECOND)


@kind(v.REGION_LOSS)
def region_left_a_hole(edit: Edit) -> None:
    """Within the 60 s that may be lost, but a message after it was kept."""
    sent = edit.sent()
    tops = {item.c: item for item in sent}
    item = edit.pick([item for item in sent if item.s < tops[item.c].s and item.ok["t1"] > tops[item.c].ok["t1"] - 55 * SECOND])
    edit.show(item.c, item.s, *edit.rival(item), item.sender)
    _region_lost(edit, tops[item.c].ok["t1"] + SECOND)
