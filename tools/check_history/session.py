"""What a person may rely on from one read to the next: I-C1, I-C2, I-C3. The cross-chat graph is in causal.py."""

from __future__ import annotations

from bisect import bisect_left
from typing import Iterable

from check_history import verdicts as v
from check_history.model import NEVER, Chat, Device, Model, Sight, Stream
from check_history.verdicts import Findings


def check(model: Model, found: Findings) -> None:
    for dev, stream in model.streams():
        _monotonic(dev, stream, found)
    floors = _acked_by_user(model)
    reads = _Reads(model)
    for dev, stream in model.streams():
        for sight in stream.heads:
            _read_your_writes(dev, stream, sight, floors, found)
            reads.writes_follow_reads(dev, stream, sight, found)


class Floor:
    """The highest number known at a time: (time, number, ref), both ascending."""

    __slots__ = ("times", "values", "refs")

    def __init__(self, points: Iterable[tuple[int, int, int]]) -> None:
        self.times: list[int] = []
        self.values: list[int] = []
        self.refs: list[int] = []
        for t, value, ref in sorted(points):
            if not self.values or value > self.values[-1]:
                self.times.append(t)
                self.values.append(value)
                self.refs.append(ref)

    def before(self, t: int) -> tuple[int, int]:
        """The highest number, and its ref, known strictly before `t`; 0 when none."""
        at = bisect_left(self.times, t) - 1
        return (self.values[at], self.refs[at]) if at >= 0 else (0, -1)


def _monotonic(dev: Device, stream: Stream, found: Findings) -> None:
    """Head and cursor of a chat never fall for a device, over reconnects, gateways and failovers."""
    chat = stream.chat
    if stream.heads:
        points = [(sight.t1, sight.value, sight.ref) for sight in stream.heads]
        points.extend(zip(stream.frame_t, stream.frame_s, stream.frame_ref))
        _falls(dev, chat, "head", Floor(points), stream.heads, found)
    if stream.cursors:
        points = [(sight.t1, sight.value, sight.ref) for sight in stream.cursors]
        points.extend((ack.t1, ack.s, ack.ref_ok) for ack in stream.acks if ack.t1 != NEVER)
        _falls(dev, chat, "cursor", Floor(points), stream.cursors, found)


def _falls(dev: Device, chat: Chat, what: str, floor: Floor, sights: list[Sight], found: Findings) -> None:
    for sight in sights:
        value, ref = floor.before(sight.t0)
        if sight.value < value:
            why = f"{dev.name} was shown {what} {sight.value} of {chat.name} after {value}"
            found.add(v.MONOTONIC, why, [ref, sight.ref], [value, sight.value])


def _acked_by_user(model: Model) -> dict[tuple[str, str], Floor]:
    points: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for send in model.sends.values():
        for ack in send.acks:
            points.setdefault((send.dev.user, send.chat.name), []).append((ack.t, ack.s, ack.ref))
    return {key: Floor(value) for key, value in points.items()}


def _read_your_writes(
    dev: Device, stream: Stream, sight: Sight, floors: dict[tuple[str, str], Floor], found: Findings
) -> None:
    floor = floors.get((dev.user, stream.chat.name))
    if floor is not None:
        value, ref = floor.before(sight.t0)
        if sight.value < value:
            why = f"{dev.name} was shown head {sight.value} of {stream.chat.name} after its user had {value} acknowledged"
            found.add(v.READ_YOUR_WRITES, why, [ref, sight.ref], [value, sight.value])


class _Reads:
    """I-C3. Who got a message must be able to fetch what its sender had applied before sending it.

    A read that shows head h can only break this when some device had applied a number above h before the read began;
    in a sound history that never happens, so the search through messages is left to those cases.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.applied: dict[tuple[str, str], Floor] = {}  # by device and chat
        self.earliest: dict[str, Floor] = {}  # by chat: what anybody had applied
        self.got: dict[tuple[str, str], dict[int, tuple[int, int]]] = {}
        self.by_user: dict[str, list[Device]] = {}
        for dev in model.devices.values():
            self.by_user.setdefault(dev.user, []).append(dev)

    def writes_follow_reads(self, dev: Device, stream: Stream, sight: Sight, found: Findings) -> None:
        chat = stream.chat
        anybody = self.earliest.get(chat.name)
        if anybody is None:
            points: list[tuple[int, int, int]] = []
            for other in self.model.devices.values():
                if chat.name in other.streams:
                    floor = self._applied(other, chat)
                    points.extend(zip(floor.times, floor.values, floor.refs))
            anybody = self.earliest[chat.name] = Floor(points)
        if chat.last_visible(dev.user, anybody.before(sight.t0)[0] + 1) <= sight.value:
            return
        for sender in self.model.devices.values():
            if chat.name in sender.streams and self._applied(sender, chat).before(sight.t0)[0] > sight.value:
                self._search(dev, chat, sight, sender, found)

    def _applied(self, dev: Device, chat: Chat) -> Floor:
        key = (dev.name, chat.name)
        floor = self.applied.get(key)
        if floor is None:
            stream = dev.streams[chat.name]
            floor = self.applied[key] = Floor(zip(stream.apply_t, stream.apply_s, stream.apply_ref))
        return floor

    def _search(self, dev: Device, chat: Chat, sight: Sight, sender: Device, found: Findings) -> None:
        """A message that `sender` sent after applying more of the chat than `dev` was shown, and whose reader is `dev`'s user."""
        for send in sender.sends:
            value, ref = self._applied(sender, chat).before(send.t0)
            value = chat.last_visible(dev.user, value + 1)
            if value <= sight.value:
                continue
            place = self.model.slot_of(send.k)
            if place is None:
                continue
            for reader in self.by_user[dev.user]:
                t, got = self._got(reader, place[0]).get(place[1].s, (NEVER, -1))
                if t < sight.t0:
                    why = (f"{dev.user} got {send.k}, whose sender had applied {chat.name} {value}, "
                           f"and was then shown head {sight.value}")  # fmt: skip
                    found.add(v.WRITES_FOLLOW_READS, why, [ref, send.ref, got, sight.ref], [value, sight.value])
                    return

    def _got(self, dev: Device, chat: Chat) -> dict[int, tuple[int, int]]:
        """By number: when a device first got it live, and the line."""
        key = (dev.name, chat.name)
        got = self.got.get(key)
        if got is None:
            got = self.got[key] = {}
            stream = dev.streams.get(chat.name) or Stream(chat)
            for s, t, ref in zip(stream.frame_s, stream.frame_t, stream.frame_ref):
                got.setdefault(s, (t, ref))
        return got
