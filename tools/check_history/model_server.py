"""The server of the history generator: a small honest model of chats, cursors, receipts and presence.

It decides at one instant what a request does, as the real one does when it numbers a command; all delays are the world's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Fields = dict[str, Any]
Answer = tuple[str, Fields]  # type of the outcome, and its fields


@dataclass(slots=True)
class Entry:
    s: int
    e: int
    k: str
    digest: str
    kind: str
    sender: str
    event: Fields
    deleted: bool = False
    gone: bool = False  # expired: nothing but a gap is left


@dataclass(slots=True)
class ServedChat:
    name: str
    encrypted: bool
    entries: list[Entry] = field(default_factory=list)
    intervals: dict[str, list[list[int]]] = field(default_factory=dict)  # [from, to]; to is 0 while a member
    by_key: dict[str, Entry] = field(default_factory=dict)
    delivered: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    def is_member(self, user: str) -> bool:
        ranges = self.intervals.get(user)
        return bool(ranges) and ranges[-1][1] == 0 if ranges else False

    def sees(self, user: str, s: int) -> bool:
        return any(low <= s and (high == 0 or s <= high) for low, high in self.intervals.get(user, ()))

    def head_for(self, user: str) -> int:
        ranges = self.intervals.get(user)
        if not ranges:
            return 0
        return ranges[-1][1] or len(self.entries)


class Server:
    def __init__(self) -> None:
        self.chats: dict[str, ServedChat] = {}
        self.epoch = 1
        self.up = True
        self.read_only = False
        self.generation = 0
        self.cursors: dict[tuple[str, str], int] = {}
        self.durable_cursors: dict[tuple[str, str], int] = {}
        self.sent_high: dict[tuple[str, str], int] = {}  # in this life
        self.head_at_start: dict[str, int] = {}
        self.revoked: set[str] = set()
        self.shown_online: set[str] = set()

    # ------------------------------------------------------------------------------------------ writing

    def append(self, chat: ServedChat, kind: str, sender: str, event: Fields, k: str = "", digest: str = "") -> Entry:
        entry = Entry(len(chat.entries) + 1, self.epoch, k, digest, kind, sender, event)
        chat.entries.append(entry)
        if k:
            chat.by_key[k] = entry
        return entry

    def send(self, user: str, name: str, k: str, digest: str, after: str | None) -> Answer:
        chat = self.chats[name]
        entry = chat.by_key.get(k)
        if entry is None:
            if self.read_only:
                return "fail", {"extra": {"code": "READ_ONLY", "retryable": True}}
            if not chat.is_member(user):
                return "fail", {"extra": {"code": "FORBIDDEN", "retryable": False}}
            if after is not None and after not in chat.by_key:
                return "fail", {"extra": {"code": "PREDECESSOR_MISSING", "retryable": True}}
            entry = self.append(chat, "message", user, {}, k, digest)
        return "ok", {"s": entry.s, "e": entry.e}

    def create(self, name: str, members: list[str], encrypted: bool) -> Answer:
        chat = self.chats[name] = ServedChat(name, encrypted)
        entry = self.append(chat, "created", members[0], {"members": list(members), "encrypted": encrypted})
        for user in members:
            chat.intervals[user] = [[entry.s, 0]]
        return "ok", {"s": entry.s, "e": entry.e}

    def member(self, by: str, name: str, op: str, user: str) -> Answer:
        chat = self.chats[name]
        if self.read_only or not chat.is_member(by) or chat.is_member(user) == (op == "add"):
            return "fail", {"extra": {"code": "FORBIDDEN", "retryable": self.read_only}}
        entry = self.append(chat, "member", by, {"op": op, "user_id": user, "by": by})
        if op == "add":
            chat.intervals.setdefault(user, []).append([entry.s, 0])
        elif op in ("remove", "leave"):
            chat.intervals[user][-1][1] = entry.s
        return "ok", {"s": entry.s, "e": entry.e}

    def delete(self, user: str, name: str, target: int) -> Answer:
        chat = self.chats[name]
        entry = chat.entries[target - 1]
        if self.read_only or not chat.is_member(user) or entry.deleted or entry.gone:
            return "fail", {"extra": {"code": "FORBIDDEN", "retryable": self.read_only}}
        entry.deleted = True
        event = self.append(chat, "deleted", user, {"seq": target})
        return "ok", {"s": event.s, "e": event.e}

    # ------------------------------------------------------------------------------------------ reading

    @staticmethod
    def shown(entry: Entry) -> list[Any]:
        """An entry as a history page has it."""
        more: Fields = {"sender": entry.sender}
        if entry.kind != "message":
            more["type"] = entry.kind
            more["event"] = entry.event
        if entry.deleted:
            more["body"] = "deleted"
        return [entry.s, entry.e, entry.k, "" if entry.deleted else entry.digest, more]

    def history(self, user: str, name: str, after: int | None, before: int | None, limit: int) -> Answer:
        chat = self.chats[name]
        visible = [entry for entry in chat.entries if chat.sees(user, entry.s)]
        if not visible:
            return "fail", {"extra": {"code": "NOT_FOUND", "retryable": False}}
        head = chat.head_for(user)
        if after is not None:
            page = [entry for entry in visible if entry.s > after and not entry.gone][:limit]
        else:
            page = [entry for entry in visible if (before is None or entry.s < before) and not entry.gone][-limit:]
        gaps = [[entry.s, entry.s, "expired"] for entry in visible if entry.gone]
        extra = {"got": [self.shown(entry) for entry in page], "head": head, "gaps": gaps, "first": visible[0].s}
        return "ok", {"extra": extra}

    def status(self, name: str, k: str) -> Answer:
        entry = self.chats[name].by_key.get(k)
        if entry is None:
            return "ok", {"extra": {"state": "ABSENT"}}
        return "ok", {"s": entry.s, "extra": {"state": "PRESENT"}}

    def heads_and_cursors(self, user: str, dev: str) -> tuple[dict[str, int], dict[str, int]]:
        heads: dict[str, int] = {}
        cursors: dict[str, int] = {}
        for chat in self.chats.values():
            if chat.intervals.get(user):
                heads[chat.name] = chat.head_for(user)
                cursors[chat.name] = self.cursor(dev, user, chat)
        return heads, cursors

    def cursor(self, dev: str, user: str, chat: ServedChat) -> int:
        ranges = chat.intervals.get(user)
        start = ranges[0][0] - 1 if ranges else 0
        return max(self.cursors.get((dev, chat.name), 0), start)

    # ------------------------------------------------------------------------------------------ positions

    def ack(self, dev: str, user: str, name: str, s: int, durable: bool) -> None:
        key = (dev, name)
        self.cursors[key] = max(self.cursors.get(key, 0), s)
        if durable:
            self.durable_cursors[key] = max(self.durable_cursors.get(key, 0), s)
            chat = self.chats[name]
            chat.delivered[user] = max(chat.delivered.get(user, 0), self.durable_cursors[key])

    def mark_read(self, user: str, name: str, s: int) -> None:
        chat = self.chats[name]
        chat.read[user] = max(chat.read.get(user, 0), min(s, chat.delivered.get(user, 0)))

    def is_redelivery(self, dev: str, name: str, s: int) -> bool:
        """May it have been sent before: in this life, or before the last start?"""
        return s <= max(self.sent_high.get((dev, name), 0), self.head_at_start.get(name, 0))

    def kill(self) -> None:
        """What was not durable is gone; the log, and so every number, stays."""
        self.up = False
        self.generation += 1
        self.cursors = dict(self.durable_cursors)
        self.sent_high.clear()
        self.shown_online.clear()

    def start(self, new_epoch: bool) -> None:
        self.up = True
        self.epoch += new_epoch
        self.head_at_start = {chat.name: len(chat.entries) for chat in self.chats.values()}

    def stored(self) -> list[Fields]:
        """Everything, as a dump of the store has it."""
        lines: list[Fields] = []
        for chat in self.chats.values():
            for entry in chat.entries:
                if entry.gone:
                    lines.append({"c": chat.name, "s": entry.s, "e": entry.e, "type": "gap", "gap_from": entry.s})
                    continue
                line: Fields = {"c": chat.name, "s": entry.s, "e": entry.e, "k": entry.k, "type": entry.kind,
                                "hash": "" if entry.deleted else entry.digest, "sender": entry.sender}  # fmt: skip
                if entry.event:
                    line["event"] = entry.event
                lines.append(line)
        return lines
