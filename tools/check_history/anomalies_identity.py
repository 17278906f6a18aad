"""Anomalies of identity: what a number holds, and which number an answer named."""

from __future__ import annotations

from check_history import verdicts as v
from check_history.edits import DUMP, RESTORE, Edit, in_final, kind, lost_answer, stored_line


# ---------------------------------------------------------------------------------------------- fork/split brain


@kind(v.FORK)
def fork_in_history(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if edit.entries(item.c, item.s)])
    line, at = edit.rng.choice(edit.entries(item.c, item.s))
    k, digest = edit.rival(item)
    edit.set_entry(line, at, item.s, item.e, k, digest)


@kind(v.FORK)
def fork_in_live(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if edit.frames(item.c, item.s)])
    _, line = edit.rng.choice(edit.frames(item.c, item.s))
    line["k"], line["hash"] = edit.rival(item)


@kind(v.FORK)
def fork_in_dump(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if in_final(edit, item)])
    line = stored_line(edit, DUMP, item.c, item.s)[0]
    line["k"], line["hash"] = edit.rival(item)


@kind(v.FORK)
def fork_in_restore(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if stored_line(edit, RESTORE, item.c, item.s)])
    line = stored_line(edit, RESTORE, item.c, item.s)[0]
    line["k"], line["hash"] = edit.rival(item)


@kind(v.FORK)
def epoch_differs_in_live(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if edit.frames(item.c, item.s)])
    _, line = edit.rng.choice(edit.frames(item.c, item.s))
    line["e"] += 1


@kind(v.FORK)
def epoch_differs_in_ack(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    item.ok["e"] += 1


@kind(v.FORK)
def epoch_falls(edit: Edit) -> None:
    """One number was written by a later epoch than the number above it, and everybody saw it so."""
    item = edit.pick([item for item in edit.sent() if item.s + 1 in edit.stored(item.c)
                      and edit.stored(item.c)[item.s + 1]["type"] != "gap"])  # fmt: skip
    for _, line in edit.frames(item.c, item.s):
        line["e"] += 5
    for line, at in edit.entries(item.c, item.s):
        edit.set_entry(line, at, item.s, item.e + 5)
    for name in (DUMP, RESTORE):
        for stored in stored_line(edit, name, item.c, item.s):
            stored["e"] += 5
    for _, outcome in edit.attempts()[item.k]:
        if outcome is not None and outcome["type"] == "ok":
            outcome["e"] += 5


# ---------------------------------------------------------------------------------------------- moved, duplicated


@kind(v.MOVED)
def acknowledged_as_another_number(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    wrong = edit.rng.choice([s for s in range(1, edit.heads[item.c] + 2) if s != item.s])
    for _, outcome in edit.attempts()[item.k]:
        if outcome is not None and outcome["type"] == "ok":
            outcome["s"] = wrong


@kind(v.MOVED)
def repeat_acknowledged_elsewhere(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    t = item.ok["t1"]
    asked = {"c": item.c, "k": item.k, "hash": item.digest, "extra": {"attempt": 9}}
    new = edit.operation(item.ok, "send", t, t + 1, "ok", asked, {"s": item.s + edit.rng.randint(1, 3), "e": item.e})
    edit.insert_after(f"client-{item.dev}.jsonl", item.ok, *new)


@kind(v.MOVED)
def status_says_another_number(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    t = item.ok["t1"]
    got = {"s": item.s + 1, "extra": {"state": "PRESENT"}}
    new = edit.operation(item.ok, "status", t, t + 1, "ok", {"c": item.c, "k": item.k}, got)
    edit.insert_after(f"client-{item.dev}.jsonl", item.ok, *new)


@kind(v.DUPLICATED_IN_LOG)
def twice_in_its_chat(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    edit.append(item.c, item.k, item.digest, item.sender)


@kind(v.DUPLICATED_IN_LOG)
def twice_in_two_chats(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    other = edit.pick([c for c in edit.heads if c != item.c])
    edit.append(other, item.k, item.digest, item.sender)


@kind(v.DUPLICATED_IN_LOG)
def twice_in_live(edit: Edit) -> None:
    dev = edit.pick(sorted(edit.devices()))
    last = edit.last_frame(dev)
    item = edit.pick([item for item in edit.sent() if item.c == last["c"]])
    if item is None or last is None:
        return False
    extra = {"sender": item.sender}
    new = {**last, "s": edit.heads[item.c] + 1, "k": item.k, "hash": item.digest, "extra": extra, "t1": last["t1"] + 1}
    edit.insert_after(f"client-{dev}.jsonl", last, new)


# ---------------------------------------------------------------------------------------------- phantom, corrupt, aborted


@kind(v.PHANTOM)
def never_sent(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    ops = {(invoke["dev"], invoke["op"]) for invoke, _ in edit.attempts()[item.k]}
    edit.remove(lambda name, line: line.get("f") == "send" and (line["dev"], line["op"]) in ops)


@kind(v.PHANTOM)
def of_another_run(edit: Edit) -> None:
    c = edit.pick(sorted(edit.heads))
    edit.append(c, *edit.new_key(), next(iter(edit.intervals(c))))


@kind(v.PHANTOM)
def phantom_in_live(edit: Edit) -> None:
    dev = edit.pick(sorted(edit.devices()))
    last = edit.last_frame(dev)
    k, digest = edit.new_key()
    new = {**last, "s": edit.heads[last["c"]] + 1, "k": k, "hash": digest, "extra": {}, "t1": last["t1"] + 1}
    edit.insert_after(f"client-{dev}.jsonl", last, new)


@kind(v.CORRUPT)
def corrupt_in_live(edit: Edit) -> None:
    line = edit.pick([line for _, line in edit.each("frame") if line.get("hash")])
    line["hash"] = edit.new_key()[1]


@kind(v.CORRUPT)
def corrupt_in_history(edit: Edit) -> None:
    found = edit.pick([(line, at) for _, line in edit.pages() for at, entry in enumerate(line["extra"]["got"]) if entry[3]])
    line, at = found
    edit.set_entry(line, at, *line["extra"]["got"][at][:3], edit.new_key()[1])


@kind(v.CORRUPT)
def corrupt_in_dump(edit: Edit) -> None:
    line = edit.pick([line for line in edit.files[DUMP] if line.get("hash")])
    line["hash"] = edit.new_key()[1]


@kind(v.CORRUPT)
def corrupt_everywhere(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    edit.show(item.c, item.s, item.k, edit.new_key()[1], item.sender)


@kind(v.CORRUPT)
def body_missing(edit: Edit) -> None:
    whole = {(item.c, item.s) for item in edit.sent()}
    line = edit.pick([line for _, line in edit.each("frame") if (line["c"], line["s"]) in whole
                      and line["user"] != line["extra"].get("sender")])  # fmt: skip
    line["hash"] = ""


@kind(v.CORRUPT)
def another_sender(edit: Edit) -> None:
    whole = {(item.c, item.s) for item in edit.sent()}
    line = edit.pick([line for _, line in edit.each("frame") if (line["c"], line["s"]) in whole])
    line["extra"] = {**line["extra"], "sender": "somebody else"}


@kind(v.CORRUPT)
def other_content_acknowledged(edit: Edit) -> None:
    """The same id with another content must be CONFLICT, and was acknowledged."""
    item = edit.pick(edit.sent())
    t = item.ok["t1"]
    asked = {"c": item.c, "k": item.k, "hash": edit.new_key()[1], "extra": {}}
    new = edit.operation(item.ok, "send", t, t + 1, "ok", asked, {"s": item.s, "e": item.e})
    edit.insert_after(f"client-{item.dev}.jsonl", item.ok, *new)


@kind(v.ABORTED_READ)
def refused_and_yet_present(edit: Edit) -> None:
    item = edit.pick([item for item in edit.sent() if all(outcome for _, outcome in edit.attempts()[item.k])])
    for _, outcome in edit.attempts()[item.k]:
        lost_answer(outcome)
        if outcome is not None:
            outcome["type"] = "fail"
            outcome["extra"] = {"code": "READ_ONLY", "retryable": True}


# ---------------------------------------------------------------------------------------------- status


@kind(v.STATUS)
def status_absent_after_ack(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    t = item.ok["t1"] + 1
    new = edit.operation(item.ok, "status", t, t + 1, "ok", {"c": item.c, "k": item.k}, {"extra": {"state": "ABSENT"}})
    edit.insert_after(f"client-{item.dev}.jsonl", item.ok, *new)


@kind(v.STATUS)
def status_present_nowhere(edit: Edit) -> None:
    item = edit.pick(edit.sent())
    k, _ = edit.rival(item)
    t = item.ok["t1"] + 1
    got = {"s": item.s, "extra": {"state": "PRESENT"}}
    new = edit.operation(item.ok, "status", t, t + 1, "ok", {"c": item.c, "k": k}, got)
    edit.insert_after(f"client-{item.dev}.jsonl", item.ok, *new)
