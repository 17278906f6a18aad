"""Anomalies of order, sessions, access, receipts, presence and availability."""

from __future__ import annotations

from check_history import verdicts as v
from check_history.edits import NEMESIS, Edit, NoPlace, Sent, kind, lost_answer
from check_history.model_client import SECOND
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


# ---------------------------------------------------------------------------------------------- access


def _as_frame(edit: Edit, line: Fields, stored: Fields, t: int) -> Fields:
    extra: Fields = {"sender": stored["sender"]}
    if stored["type"] != "message":
        extra.update(type=stored["type"], event=stored["event"])
    if stored["type"] == "message" and not stored["hash"]:
        extra["body"] = "deleted"
    who = {name: line[name] for name in ("run", "dev", "user", "conn", "gw")}
    fields = {name: stored[name] for name in ("c", "s", "e", "k", "hash")}
    return {**who, "f": "frame", "type": "ok", **fields, "t1": t, "extra": extra}


@kind(v.LEAK)
def frame_after_removal(edit: Edit) -> None:
    found: list[tuple[Fields, Fields]] = []
    for c in edit.heads:
        stored = edit.stored(c)
        for user, ranges in edit.intervals(c).items():
            closes = [line for _, line in edit.each("close") if line["user"] == user and line["extra"]["reason"] == "drained"]
            outside = [s for (_, high), (low, _) in zip(ranges, [*ranges[1:], [1 << 30, 0]]) if high
                       for s in stored if high < s < low and stored[s]["type"] != "gap"]  # fmt: skip
            found.extend((line, stored[s]) for line in closes for s in outside)
    choice = edit.pick(found)
    close, line = choice
    edit.insert_before(f"client-{close['dev']}.jsonl", close, _as_frame(edit, close, line, close["t1"]))


@kind(v.LEAK)
def history_before_joining(edit: Edit) -> None:
    found = []
    for invoke, line in edit.pages():
        ranges = edit.intervals(invoke["c"]).get(invoke["user"])
        got = line["extra"]["got"]
        stored = edit.stored(invoke["c"])
        if ranges and got and got[0][0] == ranges[0][0] > 1 and stored[ranges[0][0] - 1]["type"] != "gap":
            found.append((line, stored[ranges[0][0] - 1]))
    choice = edit.pick(found)
    line, stored_one = choice
    shown = _as_frame(edit, line, stored_one, 0)
    entry = [shown["s"], shown["e"], shown["k"], shown["hash"], shown["extra"]]
    line["extra"] = {**line["extra"], "got": [entry, *line["extra"]["got"]]}


@kind(v.LEAK)
def frame_of_a_foreign_chat(edit: Edit) -> None:
    found: list[tuple[Fields, str]] = []
    for c in edit.heads:
        members = edit.intervals(c)
        found.extend((line, c) for _, line in edit.each("close") if line["user"] not in members)
    choice = edit.pick(found)
    close, c = choice
    stored = edit.pick([line for line in edit.stored(c).values() if line["type"] != "gap"])
    edit.insert_before(f"client-{close['dev']}.jsonl", close, _as_frame(edit, close, stored, close["t1"]))


def _revoked(edit: Edit) -> tuple[int, Fields]:
    """When the revocation was acknowledged, and the revoked device's last close."""
    ends = [(invoke["extra"]["ends"][0], outcome["t1"]) for _, invoke, outcome in edit.pairs("auth")
            if "ends" in invoke["extra"] and outcome is not None and outcome["type"] == "ok"]  # fmt: skip
    for dev, t in ends:
        closes = [line for _, line in edit.each("close", dev=dev)]
        if closes and any(edit.each("frame", dev=dev)):
            return t, closes[-1]
    raise NoPlace


@kind(v.STALE_ACCESS)
def frame_after_revocation(edit: Edit) -> None:
    found = _revoked(edit)
    t, close = found
    frames = [line for _, line in edit.each("frame", dev=close["dev"])]
    late = t + edit.rng.randint(5100, 20000) * SECOND // 1000
    close["t1"] = late + 1
    edit.insert_before(f"client-{close['dev']}.jsonl", close, {**edit.rng.choice(frames), "t1": late})


@kind(v.STALE_ACCESS)
def history_after_revocation(edit: Edit) -> None:
    found = _revoked(edit)
    t, close = found
    chats = [c for c in edit.heads if close["user"] in edit.intervals(c)]
    late = t + edit.rng.randint(5100, 20000) * SECOND // 1000
    asked = {"c": edit.rng.choice(chats), "extra": {"after": 0, "before": None, "limit": 5}}
    got: Fields = {"extra": {"got": [], "head": None, "gaps": []}}
    new = edit.operation(close, "history", late, late + SECOND, "ok", asked, got)
    edit.insert_after(f"client-{close['dev']}.jsonl", close, *new)


@kind(v.STALE_ACCESS)
def accepted_from_no_member(edit: Edit) -> None:
    found: list[tuple[str, Fields]] = []
    for c in edit.heads:
        members = edit.intervals(c)
        found.extend((c, line) for _, line in edit.each("close")
                     if line["extra"]["reason"] == "drained" and (line["user"] not in members or members[line["user"]][-1][1]))  # fmt: skip
    choice = edit.pick(found)
    c, close = choice
    k, digest = edit.new_key()
    s = edit.append(c, k, digest, close["user"])
    t = edit.drain_t - 1000
    e = edit.stored(c)[s]["e"]
    asked = {"c": c, "k": k, "hash": digest, "extra": {}}
    edit.insert_at(f"client-{close['dev']}.jsonl", t, *edit.operation(close, "send", t, t + 1, "ok", asked, {"s": s, "e": e}))


# ---------------------------------------------------------------------------------------------- availability


@kind(v.AVAILABILITY)
def nothing_succeeds_for_long(edit: Edit) -> None:
    """All acknowledgements of a chat in more than 10 s that were not down by intent are lost."""
    downs = _windows(edit, down=True)
    oks: dict[str, list[tuple[int, int, Fields]]] = {}
    for _, invoke, outcome in edit.pairs("send"):
        if outcome is not None and outcome["type"] == "ok":
            oks.setdefault(invoke["c"], []).append((outcome["t1"], invoke["t0"], outcome))
    found = []
    for items in oks.values():
        items.sort(key=lambda item: item[0])
        for first in range(len(items)):
            start = items[first][1]
            if first and items[first - 1][0] > start:
                continue  # one before it succeeded while it was under way
            for last in range(first, len(items)):
                if last > first and items[last][1] > items[last - 1][0] + 4 * SECOND:
                    break  # nobody tried for long
                end = items[last][0]
                down = sum(max(0, min(end, high) - max(start, low)) for low, high in downs)
                if end - start - down > 11 * SECOND:
                    found.append(items[first : last + 1])
                    break
    chosen = edit.pick(found)
    for _, _, outcome in chosen:
        lost_answer(outcome)


def _windows(edit: Edit, down: bool = False) -> list[tuple[int, int]]:
    starts = {line["op"]: line for line in edit.files[NEMESIS] if line["f"] == "fault" and line["type"] == "start"}
    return [(starts[line["op"]]["t1"], line["t1"]) for line in edit.files[NEMESIS] if line["type"] == "stop"
            and (not down or starts[line["op"]]["extra"].get("down"))]  # fmt: skip


@kind(v.ACK_READ_ONLY)
def acknowledged_in_read_only(edit: Edit) -> None:
    """The banner had come before the message was sent, and stayed long after it was acknowledged."""
    found = []
    attempts = edit.attempts()
    modes = [(line["dev"], line["t1"]) for _, line in edit.each("mode")]
    for item in edit.sent():
        if len(attempts[item.k]) > 1:
            continue
        close = next((line for _, line in edit.each("close", dev=item.dev) if line["conn"] == item.ok["conn"]), None)
        until = item.ok["t1"] + 6 * SECOND
        calm = not any(dev == item.dev and item.ok["t1"] < t < until for dev, t in modes)
        if close is not None and close["t1"] > until and calm:
            found.append(item)
    item = edit.pick(found)
    who = {name: item.invoke[name] for name in ("run", "dev", "user", "conn", "gw")}
    t = item.invoke["t0"] - 1
    banner = {**who, "f": "mode", "type": "ok", "t1": t, "extra": {"mode": "read-only"}}
    edit.insert_before(f"client-{item.dev}.jsonl", item.invoke, banner)


# ---------------------------------------------------------------------------------------------- receipts, presence


def _receipt(line: Fields, **values: int) -> None:
    line["extra"] = {**line["extra"], **values}


def _receipts(edit: Edit) -> list[tuple[Fields, Fields]]:
    """A watermark as one device saw it, and the one before it."""
    last: dict[tuple[str, str, str], Fields] = {}
    found = []
    for _, line in edit.each("receipt_in"):
        key = (line["dev"], line["c"], line["extra"]["user"])
        if key in last:
            found.append((last[key], line))
        last[key] = line
    return found


@kind(v.RECEIPTS)
def delivered_falls(edit: Edit) -> None:
    pair = edit.pick([pair for pair in _receipts(edit) if pair[0]["extra"]["delivered"] > pair[0]["extra"]["read"]])
    before, line = pair
    _receipt(line, delivered=before["extra"]["delivered"] - 1, read=before["extra"]["read"])


@kind(v.RECEIPTS)
def read_falls(edit: Edit) -> None:
    pair = edit.pick([pair for pair in _receipts(edit) if pair[0]["extra"]["read"] > 0])
    _receipt(pair[1], read=pair[0]["extra"]["read"] - 1)


@kind(v.RECEIPTS)
def read_above_delivered(edit: Edit) -> None:
    _, line = edit.rng.choice(list(edit.each("receipt_in")))
    _receipt(line, read=line["extra"]["delivered"] + 1)


@kind(v.RECEIPTS)
def delivered_above_head(edit: Edit) -> None:
    _, line = edit.rng.choice(list(edit.each("receipt_in")))
    _receipt(line, delivered=edit.heads[line["c"]] + 1)


def _sent_until(edit: Edit, f: str, line: Fields) -> int:
    """How far the devices of a receipt's person had gone when it was seen; joining counts."""
    c, user = line["c"], line["extra"]["user"]
    gone = [other["s"] for _, other in edit.each(f, "invoke")
            if other["c"] == c and other["user"] == user and other["t0"] < line["t1"]]  # fmt: skip
    return int(max([edit.intervals(c)[user][-1][0], *gone]))


@kind(v.RECEIPTS)
def delivered_that_nobody_acknowledged(edit: Edit) -> None:
    lines = [line for _, line in edit.rng.sample(list(edit.each("receipt_in")), 20)]
    line = edit.pick([line for line in lines if _sent_until(edit, "ackpos", line) < edit.heads[line["c"]]])
    _receipt(line, delivered=_sent_until(edit, "ackpos", line) + 1)


@kind(v.RECEIPTS)
def read_that_nobody_sent(edit: Edit) -> None:
    lines = [line for _, line in edit.rng.sample(list(edit.each("receipt_in")), 40)]
    line = edit.pick([line for line in lines if line["extra"]["delivered"] > _sent_until(edit, "receipt_out", line)])
    _receipt(line, read=line["extra"]["delivered"])


@kind(v.PRESENCE)
def online_without_a_connection(edit: Edit) -> None:
    name, line = edit.rng.choice(list(edit.each("presence_in")))
    edit.insert_after(name, line, {**line, "extra": {"user": "u-away", "online": True}})


@kind(v.PRESENCE)
def last_seen_goes_back(edit: Edit) -> None:
    pair = edit.pick([(name, line) for name, line in edit.each("presence_in") if "last_seen" in line["extra"]])
    name, line = pair
    earlier = {**line["extra"], "last_seen": line["extra"]["last_seen"] - edit.rng.randint(1, SECOND)}
    edit.insert_after(name, line, {**line, "t1": line["t1"] + 1, "extra": earlier})


@kind(v.PRESENCE)
def offline_never_shown(edit: Edit) -> None:
    """A clean close, in calm times, that an observer who stayed connected does not hear of."""
    faults = _windows(edit)
    found = []
    for _, close in edit.each("close"):
        t, user, end = close["t1"], close["user"], close["t1"] + 5 * SECOND
        if close["extra"]["reason"] != "clean" or any(low <= end and t <= high for low, high in faults):
            continue
        others = [line["t1"] for _, line in edit.each("close") if line["user"] == user and line is not close]
        opens = [line["t0"] for _, line in edit.each("connect", "ok") if line["user"] == user]
        opened = sum(at < t for at in opens) - sum(at < t for at in others)
        if opened == 1 and not any(t <= at <= end for at in opens):
            found.extend(_told(edit, user, t, end))
    choice = edit.pick(found)
    name, line = choice
    edit.remove_line(name, line)


def _told(edit: Edit, user: str, t: int, end: int) -> list[tuple[str, Fields]]:
    """Who was told within these times that `user` went offline, knew them online before, and stayed connected."""
    found = []
    shared = [edit.intervals(c) for c in edit.heads]
    for name, line in edit.each("presence_in"):
        if line["extra"]["user"] != user or line["extra"]["online"] or not t <= line["t1"] <= end:
            continue
        close = next((other for _, other in edit.each("close", dev=line["dev"]) if other["conn"] == line["conn"]), None)
        before = [other for _, other in edit.each("presence_in", dev=line["dev"]) if other["conn"] == line["conn"]
                  and other["extra"]["user"] == user and other["t1"] <= t]  # fmt: skip
        together = any(one in members and members[one][-1] == [1, 0] and members.get(user, [0])[-1] == [1, 0]
                       for members in shared for one in [line["user"]])  # fmt: skip
        if close is not None and close["t1"] > end and before and before[-1]["extra"]["online"] and together:
            found.append((name, line))
    return found
