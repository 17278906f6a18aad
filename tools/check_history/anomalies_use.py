"""Anomalies of access, availability, receipts and presence."""

from __future__ import annotations

from check_history import verdicts as v
from check_history.edits import NEMESIS, Edit, NoPlace, kind, lost_answer
from check_history.model_client import SECOND
from check_history.model_server import Fields

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


def _sent_until(edit: Edit, line: Fields, *kinds: str) -> int:
    """How far the devices of a receipt's person had gone when it was seen; joining counts."""
    c, user = line["c"], line["extra"]["user"]
    gone = [other["s"] for f in kinds for _, other in edit.each(f, "invoke")
            if other["c"] == c and other["user"] == user and other["t0"] < line["t1"]]  # fmt: skip
    return int(max([edit.intervals(c)[user][-1][0], *gone]))


@kind(v.RECEIPTS)
def delivered_that_nobody_acknowledged(edit: Edit) -> None:
    lines = [line for _, line in edit.rng.sample(list(edit.each("receipt_in")), 20)]
    gone = {id(line): _sent_until(edit, line, "ackpos", "receipt_out") for line in lines}
    line = edit.pick([line for line in lines if gone[id(line)] < edit.heads[line["c"]]])
    _receipt(line, delivered=gone[id(line)] + 1)


@kind(v.RECEIPTS)
def read_that_nobody_sent(edit: Edit) -> None:
    lines = [line for _, line in edit.rng.sample(list(edit.each("receipt_in")), 40)]
    line = edit.pick([line for line in lines if line["extra"]["delivered"] > _sent_until(edit, line, "receipt_out")])
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
