"""Receipts (I-R1, I-R2) and presence (I-P1, I-P2)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from check_history import verdicts as v
from check_history.availability import fault_windows
from check_history.model import NEVER, SECOND, Chat, Conn, Device, Model, PresenceSeen, ReceiptSeen
from check_history.session import Floor
from check_history.verdicts import Findings

OFFLINE_CLEAN_SECONDS_MAX = 5
OFFLINE_SILENT_SECONDS_MAX = 45
ONLINE_SECONDS_MAX = 2
Change = tuple[int, bool, int]  # when, online or not, how long it may take to show
CLEAN_REASONS = frozenset(("clean", "drained", "drain-timeout", "retired"))


def check(model: Model, found: Findings) -> None:
    _receipts(model, found)
    presence = _Presence(model)
    for dev in model.devices.values():
        presence.observer(dev, found)


# ---------------------------------------------------------------------------------------------- receipts


def _receipts(model: Model, found: Findings) -> None:
    delivered, read = _grounds(model)
    regions = [fault.t0 for fault in model.faults if fault.region]
    for dev in model.devices.values():
        last: dict[tuple[str, str], ReceiptSeen] = {}
        for seen in dev.receipts:
            key = (seen.user, seen.chat.name)
            before = last.get(key)
            last[key] = seen
            if seen.read > seen.delivered or seen.delivered > seen.chat.head():
                bound = "delivered" if seen.read > seen.delivered else f"the head {seen.chat.head()}"
                found.add(v.RECEIPTS, f"{_what(dev, seen)} is above {bound}", [seen.ref])
            # A lost region may take watermarks with it; clients send them again.
            if before is not None and (seen.delivered < before.delivered or seen.read < before.read):
                if not any(before.t <= t <= seen.t for t in regions):
                    why = f"{_what(dev, seen)} fell from {before.delivered} and {before.read}"
                    found.add(v.RECEIPTS, why, [before.ref, seen.ref])
            joined = _joined(seen.chat, seen.user)
            if seen.delivered > joined:
                _founded(dev, seen, seen.delivered, "acknowledged or sent as read", delivered.get(key), found)
            if seen.read > joined:
                _founded(dev, seen, seen.read, "sent as read", read.get(key), found)


def _what(dev: Device, seen: ReceiptSeen) -> str:
    return f"{dev.name} saw of {seen.user} in {seen.chat.name}: delivered {seen.delivered}, read {seen.read}, which"


def _founded(dev: Device, seen: ReceiptSeen, value: int, how: str, floor: Floor | None, found: Findings) -> None:
    """A watermark needs a device of that person that went as far before."""
    known, ref = floor.before(seen.t) if floor is not None else (0, -1)
    if value > known:
        why = f"{_what(dev, seen)} is more than the {known} that its devices had {how}"
        found.add(v.RECEIPTS, why, [ref, seen.ref])


def _grounds(model: Model) -> tuple[dict[tuple[str, str], Floor], dict[tuple[str, str], Floor]]:
    """By person and chat: how far their devices had a message, and had said read, at a time. Who says read has it."""
    acked: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    read: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for dev, stream in model.streams():
        points = acked.setdefault((dev.user, stream.chat.name), [])
        points.extend((ack.t0, ack.s, ack.ref) for ack in stream.acks)
    for dev in model.devices.values():
        for mark in dev.reads:
            point = (mark.t0, mark.s, mark.ref)
            acked.setdefault((dev.user, mark.chat.name), []).append(point)
            read.setdefault((dev.user, mark.chat.name), []).append(point)
    return {key: Floor(points) for key, points in acked.items()}, {key: Floor(points) for key, points in read.items()}


def _joined(chat: Chat, user: str) -> int:
    """Watermarks begin at one's own joining, which nobody needs to acknowledge."""
    ranges = chat.intervals.get(user)
    return ranges[-1][0] if ranges else 0


# ---------------------------------------------------------------------------------------------- presence


class _Presence:
    def __init__(self, model: Model) -> None:
        self.conns: dict[str, list[Conn]] = {}
        for dev in model.devices.values():
            self.conns.setdefault(dev.user, []).extend(dev.conns)
        for conns in self.conns.values():
            conns.sort(key=lambda conn: conn.t0)
        self.starts = {user: [conn.t0 for conn in conns] for user, conns in self.conns.items()}
        self.faults = fault_windows(model)
        self.changes: dict[str, list[Change]] = {}
        self.chats = model.chats_of()

    def observer(self, dev: Device, found: Findings) -> None:
        by_conn: dict[tuple[int, str], list[PresenceSeen]] = {}
        last_seen: dict[str, PresenceSeen] = {}
        for seen in dev.presences:
            by_conn.setdefault((seen.conn, seen.user), []).append(seen)
            if seen.online and not self._evidence(seen.user, seen.t):
                why = f"{dev.name} was shown {seen.user} online, who had no connection in the last 45 s"
                found.add(v.PRESENCE, why, [seen.ref])
            before = last_seen.get(seen.user)
            if seen.last_seen is not None:
                if before is not None and _falls(before.last_seen, seen.last_seen):
                    why = f"{dev.name} was shown that {seen.user} was last seen earlier than before"
                    found.add(v.PRESENCE, why, [before.ref, seen.ref])
                last_seen[seen.user] = seen
        for (conn, user), seen_here in by_conn.items():
            self._deadlines(dev, dev.conns[conn], user, seen_here, found)

    def _up(self, user: str, t: int, reach: int) -> bool:
        """Was a connection of this person open at `t`, or closed at most `reach` before?"""
        conns = self.conns.get(user, [])
        at = bisect_right(self.starts.get(user, []), t)
        return any(conns[index].t_close + reach >= t for index in range(at - 1, -1, -1))

    def _evidence(self, user: str, t: int) -> bool:
        return self._up(user, t, OFFLINE_SILENT_SECONDS_MAX * SECOND)

    def _calm(self, start: int, end: int) -> bool:
        """No fault touches this time: what may be late under faults is no violation."""
        at = bisect_right(self.faults, (end, NEVER)) - 1
        return at < 0 or self.faults[at][1] < start

    def _share(self, one: str, other: str, t: int) -> bool:
        """Were both in some chat from before `t` until the end? Presence goes to those one shares a chat with."""
        for chat in self.chats.get(one, ()):
            ranges = [chat.intervals[one][-1], chat.intervals.get(other, [(0, 0)])[-1]]
            starts = [chat.slots.get(low) for low, high in ranges if high == NEVER]
            if len(starts) == 2 and all(slot is not None and slot.t < t for slot in starts):
                return True
        return False

    def _changes_of(self, user: str) -> list[Change]:
        changes = self.changes.get(user)
        if changes is None:
            changes = []
            for conn in self.conns.get(user, ()):
                if conn.t_open != NEVER:
                    changes.append((conn.t_open, True, ONLINE_SECONDS_MAX * SECOND))
                    if conn.t_close != NEVER and not self._up(user, conn.t_close, -1):
                        clean = conn.reason in CLEAN_REASONS
                        limit = OFFLINE_CLEAN_SECONDS_MAX if clean else OFFLINE_SILENT_SECONDS_MAX
                        changes.append((conn.t_close, False, limit * SECOND))
            self.changes[user] = sorted(changes)
        return self.changes[user]

    def _deadlines(self, dev: Device, own: Conn, user: str, seen: list[PresenceSeen], found: Findings) -> None:
        """On one connection of the observer: each change of the other's state must have shown in time."""
        changes = self._changes_of(user)
        if own.t_open == NEVER or own.t_close == NEVER:
            return
        first = bisect_left(changes, (own.t_open, False, 0))
        last = bisect_right(changes, (own.t_close, True, NEVER))
        for index in range(first, last):
            t, online, limit = changes[index]
            end = t + limit
            if end >= own.t_close or not self._calm(t, end):
                continue
            if index + 1 < len(changes) and changes[index + 1][0] <= end:
                continue  # changed again before it had to show
            before = [item for item in seen if item.t <= t]
            if not before or before[-1].online == online:
                continue  # it showed the right thing already, or nothing yet
            if not self._share(dev.user, user, before[-1].t):
                continue
            if not any(t <= item.t <= end and item.online == online for item in seen):
                state = "online" if online else "offline"
                why = f"{dev.name} was not shown within {limit // SECOND} s that {user} went {state}"
                found.add(v.PRESENCE, why, [before[-1].ref])


def _falls(before: int | str | None, after: int | str) -> bool:
    if isinstance(before, str) and isinstance(after, str):
        return after < before  # RFC 3339 in UTC sorts as text
    return isinstance(before, int) and isinstance(after, int) and after < before
