"""What the logs say, merged: chats with their numbered slots, sends with their outcomes, devices with what they saw.

Built once by load.py; the checks only read it. What there is much of (frames, applies) lies in arrays, not in objects.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Iterable, Iterator

# Which views showed a slot. FINAL is a history read begun after the drain; END views are what is left at the end.
LIVE, HISTORY, FINAL, IN_DUMP, IN_RESTORE = 1, 2, 4, 8, 16
END_VIEWS = FINAL | IN_DUMP
VIEW_NAMES = {LIVE: "live", HISTORY: "history", FINAL: "final history", IN_DUMP: "dump", IN_RESTORE: "restore"}

NEVER = 1 << 62  # a time, or a sequence number, later than all others
MESSAGE = "message"
SECOND = 1_000_000_000

# Bits of Stream.frame_meta; the connection's index stands above them.
META_REDELIVERED, META_GAP, META_SHIFT = 1, 2, 2

# How one attempt of a send ended. A refusal that is not retryable (not a member, bad id) says nothing of availability.
ATTEMPT_OK, ATTEMPT_FAIL, ATTEMPT_REFUSED, ATTEMPT_INFO = 1, 0, 2, -1

Range = tuple[int, int]  # both ends belong to it


@dataclass(slots=True)
class Ack:
    """An ok outcome of a send: `digest` is what this attempt carried."""

    s: int
    e: int
    t: int
    ref: int
    digest: str
    invoked: int  # t0 of this attempt


@dataclass(slots=True)
class Send:
    """One message id, with all its attempts."""

    k: str
    chat: Chat
    dev: Device
    digest: str  # of the first attempt
    t0: int  # of the first attempt
    ref: int
    after: str | None
    expires: bool
    acks: list[Ack] = field(default_factory=list)
    attempts: int = 0
    fails: int = 0
    t_last: int = 0  # the latest outcome; NEVER while one is open
    ref_last: int = -1
    t_unsure: int = NEVER  # the earliest invoke of an attempt that ended as info, or not at all
    unsure: set[str] = field(default_factory=set)  # digests of attempts that ended as info, or not at all
    digests: set[str] = field(default_factory=set)

    @property
    def only_failed(self) -> bool:
        return not self.acks and not self.unsure

    def acked_at(self) -> int:
        return min((ack.t for ack in self.acks), default=NEVER)


@dataclass(slots=True)
class Slot:
    """One number of a chat, as first seen. `t` and `ref` are of the earliest dated sight of it."""

    s: int
    e: int
    k: str
    digest: str
    kind: str
    sender: str
    views: int
    t: int
    ref: int

    def same(self, other: Slot) -> bool:
        return self.k == other.k and self.e == other.e and self.digest == other.digest and self.kind == other.kind


@dataclass(slots=True)
class Bodyless:
    """A message shown without its body, and who was shown it."""

    slot: Slot
    dev: str
    reason: str


@dataclass(slots=True)
class Member:
    """A membership event: `users` enter (create, add) or go (remove, leave, ban)."""

    op: str
    users: tuple[str, ...]
    ref: int


@dataclass(slots=True)
class Numbered:
    """An operation other than a send that took a number: for the walk in real time."""

    s: int
    t0: int
    t1: int
    ref: int


@dataclass(slots=True)
class Page:
    """One history read. `runs` are the numbers it got, as ranges; `shown` is how far it let the reader see, if it did."""

    dev: Device
    t0: int
    t1: int
    after: int | None
    before: int | None
    limit: int
    head: int | None
    runs: list[Range]
    count: int
    gaps: list[Range]
    ref: int
    final: bool

    def covers(self, s: int) -> bool:
        """Would it show `s` if it were there?"""
        if self.after is None or s <= self.after:
            return False
        return self.count < self.limit or s <= self.runs[-1][1]

    @property
    def shown(self) -> int | None:
        if self.head is not None:
            return self.head
        if self.before is not None:
            return None
        if self.count < self.limit or self.after is None:
            return self.runs[-1][1] if self.runs else self.after
        return None


@dataclass(slots=True)
class Chat:
    name: str
    index: int
    slots: dict[int, Slot] = field(default_factory=dict)
    clashes: list[Slot] = field(default_factory=list)
    bodyless: list[Bodyless] = field(default_factory=list)
    stored_gaps: dict[int, list[Range]] = field(default_factory=dict)  # by view: IN_DUMP, IN_RESTORE
    members: dict[int, Member] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    pages: list[Page] = field(default_factory=list)
    numbered: list[Numbered] = field(default_factory=list)
    sends: list[Send] = field(default_factory=list)
    encrypted: bool = False
    open_history: bool = False
    created: bool = False
    intervals: dict[str, list[Range]] = field(default_factory=dict)
    ordered: list[int] = field(default_factory=list)  # the numbers in `slots`, ascending
    dump_head: int = 0

    def finish(self) -> None:
        self.ordered = sorted(self.slots)
        self.dump_head = max((s for s, slot in self.slots.items() if slot.views & IN_DUMP), default=0)
        self.stored_gaps = {view: merge_ranges(gaps) for view, gaps in self.stored_gaps.items()}
        opened: dict[str, int] = {}
        for s in sorted(self.members):
            event = self.members[s]
            for user in event.users:
                if event.op in ("create", "add"):
                    opened.setdefault(user, s)
                elif user in opened:
                    self.intervals.setdefault(user, []).append((opened.pop(user), s))
        for user, s in opened.items():
            self.intervals.setdefault(user, []).append((s, NEVER))
        for ranges in self.intervals.values():
            ranges.sort()

    def may_see(self, user: str, s: int) -> bool:
        ranges = self.intervals.get(user)
        if not ranges:
            return False
        low, high = ranges[-1]
        if low <= s <= high or (self.open_history and s <= high):
            return True
        return any(low <= s <= high for low, high in ranges[:-1])

    def follows(self, user: str, previous: int, s: int) -> bool:
        """May `s` come right after `previous` to this user? The next number, or the start of a later membership."""
        if s == previous + 1 and self.may_see(user, s):
            return True
        return any(low == s > previous for low, _ in self.intervals.get(user, ()))

    def first_visible(self, user: str, above: int) -> int:
        """The smallest number > `above` that this user may see; NEVER when there is none."""
        for low, high in self.intervals.get(user, ()):
            start = max(above + 1, 1 if self.open_history else low)
            if start <= high:
                return start
        return NEVER

    def last_visible(self, user: str, below: int) -> int:
        """The largest number < `below` that this user may see; 0 when there is none."""
        for low, high in reversed(self.intervals.get(user, [])):
            end = min(below - 1, high)
            if end >= (1 if self.open_history else low):
                return end
        return 0

    def read_at_end(self, s: int) -> bool:
        return any(page.final and page.covers(s) and self.may_see(page.dev.user, s) for page in self.pages)

    def head(self) -> int:
        return self.ordered[-1] if self.ordered else 0


@dataclass(slots=True)
class AckPos:
    """The device told the server: everything up to `s` is mine. `t1` is when the server confirmed, or NEVER."""

    s: int
    t0: int
    t1: int
    ref: int
    ref_ok: int
    conn: int


@dataclass(slots=True)
class Sight:
    """A head or a cursor that a device was shown, by an operation that ran from t0 to t1."""

    value: int
    t0: int
    t1: int
    ref: int


@dataclass(slots=True)
class Stream:
    """One chat as one device met it."""

    chat: Chat
    frame_s: array[int] = field(default_factory=lambda: array("q"))
    frame_t: array[int] = field(default_factory=lambda: array("q"))
    frame_ref: array[int] = field(default_factory=lambda: array("q"))
    frame_meta: array[int] = field(default_factory=lambda: array("q"))
    gap_from: dict[int, int] = field(default_factory=dict)  # by index of the frame
    apply_s: array[int] = field(default_factory=lambda: array("q"))
    apply_t: array[int] = field(default_factory=lambda: array("q"))
    apply_ref: array[int] = field(default_factory=lambda: array("q"))
    acks: list[AckPos] = field(default_factory=list)
    heads: list[Sight] = field(default_factory=list)
    cursors: list[Sight] = field(default_factory=list)


@dataclass(slots=True)
class Conn:
    number: int | str
    t0: int  # CONNECT sent
    ref: int
    t_open: int = NEVER  # CONNECTED came
    t_close: int = NEVER
    reason: str = ""
    resumed: bool = False
    refused: bool = False  # CONNECT failed, and not for good


@dataclass(slots=True)
class Mode:
    read_only: bool
    t: int
    ref: int
    conn: int


@dataclass(slots=True)
class ReadMark:
    """A read watermark this device sent."""

    chat: Chat
    s: int
    t0: int
    ref: int


@dataclass(slots=True)
class ReceiptSeen:
    chat: Chat
    user: str
    delivered: int
    read: int
    t: int
    ref: int


@dataclass(slots=True)
class PresenceSeen:
    user: str
    online: bool
    last_seen: int | str | None
    t: int
    ref: int
    conn: int


@dataclass(slots=True)
class StatusSeen:
    k: str
    state: str
    s: int | None
    t0: int
    t1: int
    ref: int


@dataclass(slots=True)
class Device:
    name: str
    user: str
    t_first: int
    ref_first: int
    streams: dict[str, Stream] = field(default_factory=dict)
    sends: list[Send] = field(default_factory=list)
    conns: list[Conn] = field(default_factory=list)
    conn_index: dict[int | str, int] = field(default_factory=dict)
    modes: list[Mode] = field(default_factory=list)
    reads: list[ReadMark] = field(default_factory=list)
    receipts: list[ReceiptSeen] = field(default_factory=list)
    presences: list[PresenceSeen] = field(default_factory=list)
    statuses: list[StatusSeen] = field(default_factory=list)
    granted: list[Sight] = field(default_factory=list)  # operations that an ended session must not do any more
    resumed: bool = False  # it has, or had, an inbox
    end_reason: str = ""  # of its last close

    def stream(self, chat: Chat) -> Stream:
        found = self.streams.get(chat.name)
        if found is None:
            found = self.streams[chat.name] = Stream(chat)
        return found

    def drained(self) -> bool:
        return self.end_reason in ("drained", "drain-timeout")


@dataclass(slots=True)
class Fault:
    kind: str
    t0: int
    t1: int
    down: bool  # writes were not possible by intent: does not count as unavailable
    region: bool
    ref: int


@dataclass(slots=True)
class Ended:
    """An acknowledged logout, revocation or change of password: `dev` may do nothing any more."""

    dev: str
    t: int
    ref: int


@dataclass(slots=True)
class Model:
    chats: dict[str, Chat] = field(default_factory=dict)
    devices: dict[str, Device] = field(default_factory=dict)
    sends: dict[str, Send] = field(default_factory=dict)
    places: dict[str, tuple[Chat, int]] = field(default_factory=dict)  # message id: where it was first seen
    repeats: list[tuple[str, Chat, Slot]] = field(default_factory=list)  # the same id at another place
    faults: list[Fault] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    plan: dict[str, object] | None = None
    drain_t: int = NEVER
    ops: Counter[tuple[str, str]] = field(default_factory=Counter)
    attempt_chat: array[int] = field(default_factory=lambda: array("q"))
    attempt_t0: array[int] = field(default_factory=lambda: array("q"))
    attempt_t1: array[int] = field(default_factory=lambda: array("q"))
    attempt_ok: array[int] = field(default_factory=lambda: array("b"))  # ATTEMPT_…
    attempt_ref: array[int] = field(default_factory=lambda: array("q"))
    files: Counter[str] = field(default_factory=Counter)  # by kind
    malformed: list[str] = field(default_factory=list)
    malformed_count: int = 0
    run: str = ""

    def chat(self, name: str) -> Chat:
        chat = self.chats.get(name)
        if chat is None:
            if not isinstance(name, str) or not name:
                raise ValueError(f"chat {name!r}")
            chat = self.chats[name] = Chat(name, len(self.chats))
        return chat

    def streams(self) -> Iterator[tuple[Device, Stream]]:
        for dev in self.devices.values():
            for stream in dev.streams.values():
                yield dev, stream

    def slot_of(self, k: str) -> tuple[Chat, Slot] | None:
        place = self.places.get(k)
        return None if place is None else (place[0], place[0].slots[place[1]])

    def chats_of(self) -> dict[str, list[Chat]]:
        """By person: the chats they are or were members of."""
        by_user: dict[str, list[Chat]] = {}
        for chat in self.chats.values():
            for user in chat.intervals:
                by_user.setdefault(user, []).append(chat)
        return by_user

    def has_end_view(self, chat: Chat) -> bool:
        return bool(self.files["dump"]) or any(page.final for page in chat.pages)

    def ends_seen(self, chat: Chat, s: int) -> bool:
        """Would an end view show this number if it were there? Without a dump, only to a final reader who may see it."""
        return bool(self.files["dump"]) or chat.read_at_end(s)


def merge_ranges(ranges: Iterable[Range]) -> list[Range]:
    """Ascending and disjoint."""
    merged: list[Range] = []
    for low, high in sorted(ranges):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        elif low <= high:
            merged.append((low, high))
    return merged


def first_uncovered(ranges: list[Range], low: int, high: int) -> int | None:
    """The first number in low..high that none of these merged ranges holds."""
    at = bisect_right(ranges, (low, NEVER)) - 1
    if at >= 0 and ranges[at][1] >= low:
        low = ranges[at][1] + 1
    return low if low <= high else None
