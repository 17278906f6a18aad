"""The world of the history generator: time, the network, and what the server sends without being asked."""

from __future__ import annotations

import hashlib
import heapq
import random
from typing import Callable

from check_history.model_client import MS, SECOND, Client, Connection
from check_history.model_server import Answer, Fields, ServedChat, Server

START = 1_000 * SECOND
History = dict[str, list[Fields]]


class World:
    """Everything, and the time. `scale` multiplies people, devices, chats and length together."""

    def __init__(self, seed: int, scale: float = 1.0) -> None:
        self.rng = random.Random(seed)
        self.run = f"run-{seed}"
        self.now = START
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.count = 0
        self.logs: History = {}
        self.nemesis: list[Fields] = []
        self.server = Server()
        self.clients: list[Client] = []
        self.slow = 1.0
        self.messages = 0
        self.page = self.rng.choice((5, 20, 50)) if scale <= 1 else 200
        self.seconds = int(40 * max(1.0, scale) ** 0.25)
        self.users = [f"u{index}" for index in range(max(3, int(self.rng.choice((3, 4)) * scale**0.5)))]
        self.groups = int(self.rng.choice((1, 2)) * max(1.0, scale) ** 0.5)
        self.pace_ms = 1900 if scale <= 1 else 900
        self.draining = False
        self.backup: list[Fields] = []
        self.fault_count = 0
        self.last_seen: dict[str, int] = {}
        self.stirred: set[tuple[str, str]] = set()

    # ------------------------------------------------------------------------------------------ time

    def at(self, t: int, act: Callable[[], None]) -> None:
        self.count += 1
        heapq.heappush(self.events, (t, self.count, act))

    def after(self, delay: int, act: Callable[[], None]) -> None:
        self.at(self.now + delay, act)

    def between(self, low_ms: int, high_ms: int) -> int:
        return self.rng.randint(low_ms * MS, high_ms * MS)

    def latency(self) -> int:
        return int(self.rng.randint(MS // 5, 30 * MS) * self.slow)

    def play(self) -> None:
        while self.events:
            self.now, _, act = heapq.heappop(self.events)
            act()

    def new_message(self) -> tuple[str, str]:
        self.messages += 1
        ms, rest = self.now // MS, self.rng.getrandbits(48)
        k = f"{ms >> 16 & 0xFFFFFFFF:08x}-{ms & 0xFFFF:04x}-7{self.messages & 0xFFF:03x}-8{self.messages >> 12 & 0xFFF:03x}-{rest:012x}"
        return k, hashlib.sha256(f"{self.run} {k}".encode()).hexdigest()[:32]

    # ------------------------------------------------------------------------------------------ the server's side

    def contacts(self, user: str) -> set[str]:
        return {other for chat in self.server.chats.values() if chat.is_member(user)
                for other in chat.intervals if chat.is_member(other)} - {user}  # fmt: skip

    def live(self) -> list[Connection]:
        return [client.conn for client in self.clients if client.conn is not None and client.conn.resumed]

    def connected(self, client: Client) -> Answer:
        return "ok", {}

    def _online(self, user: str) -> None:
        if user not in self.server.shown_online and any(conn.client.user == user for conn in self.live()):
            self.server.shown_online.add(user)
            self._presence(user, {"user": user, "online": True})

    def _offline(self, user: str) -> None:
        if user in self.server.shown_online and not any(conn.client.user == user for conn in self.live()):
            self.server.shown_online.discard(user)
            self._presence(user, {"user": user, "online": False, "last_seen": self.last_seen[user]})

    def _presence(self, user: str, extra: Fields) -> None:
        contacts = self.contacts(user)
        for conn in self.live():
            if conn.client.user in contacts:
                self._notice(conn, "presence_in", {"extra": extra})

    def _notice(self, conn: Connection, f: str, fields: Fields) -> None:
        conn.to_client(self, lambda: conn.client.notice(f, fields))

    def disconnected(self, client: Client, graceful: bool) -> None:
        self.last_seen[client.user] = self.now
        generation = self.server.generation
        delay = self.between(100, 3000) if graceful else self.between(500, 30000)

        def notice() -> None:
            if self.server.generation == generation:
                self._offline(client.user)

        self.after(delay, notice)

    def resumed(self, client: Client) -> Answer:
        """SUBSCRIBE: heads and cursors are told, then the stream begins at the cursors; watermarks and presence first."""
        conn = client.conn
        if conn is None:
            return "ok", {}
        conn.resumed = True
        if client.user not in self.server.shown_online:
            self.after(self.between(50, 900), lambda: self._online(client.user))
        heads, cursors = self.server.heads_and_cursors(client.user, client.name)
        self.after(0, lambda: self._begin(conn, cursors))
        return "ok", {"extra": {"heads": heads, "cursors": cursors}}

    def _begin(self, conn: Connection, cursors: dict[str, int]) -> None:
        if not conn.alive or conn.generation != self.server.generation:
            return
        client = conn.client
        conn.begun = True
        for name, cursor in cursors.items():
            conn.next[name] = cursor + 1
        if self.server.read_only:
            self._notice(conn, "mode", {"extra": {"mode": "read-only"}})
        for user in sorted(self.contacts(client.user)):
            self._notice(conn, "presence_in", {"extra": {"user": user, "online": user in self.server.shown_online}})
        for chat in self.server.chats.values():
            for user in chat.delivered:
                if chat.is_member(client.user):
                    self._notice(conn, "receipt_in", self._watermark(chat, user))
        self.pump(conn)

    @staticmethod
    def _watermark(chat: ServedChat, user: str) -> Fields:
        extra = {"user": user, "delivered": chat.delivered.get(user, 0), "read": chat.read.get(user, 0)}
        return {"c": chat.name, "extra": extra}

    def pump(self, conn: Connection, name: str | None = None) -> None:
        """Everything from the connection's position to the head, as frames: of one chat, or of all."""
        client, server = conn.client, self.server
        for chat in server.chats.values() if name is None else [server.chats[name]]:
            if client.user not in chat.intervals:
                continue
            s = conn.next.get(chat.name)
            if s is None:
                s = chat.intervals[client.user][0][0]
            while s <= len(chat.entries):
                entry = chat.entries[s - 1]
                if chat.sees(client.user, s):
                    self._deliver(conn, chat, s)
                elif not chat.is_member(client.user) and s > chat.intervals[client.user][-1][1]:
                    break
                s = entry.s + 1
            conn.next[chat.name] = s

    def _deliver(self, conn: Connection, chat: ServedChat, s: int) -> None:
        client, entry = conn.client, chat.entries[s - 1]
        if entry.gone:
            conn.to_client(self, lambda: client.gap(chat, entry))
            return
        again = self.server.is_redelivery(client.name, chat.name, s)
        key = (client.name, chat.name)
        self.server.sent_high[key] = max(self.server.sent_high.get(key, 0), s)
        conn.to_client(self, lambda: client.frame(chat, entry, again))

    def numbered(self, name: str, s: int, expires: bool = False) -> None:
        for conn in self.live():
            if conn.begun and conn.generation == self.server.generation:
                self.pump(conn, name)
        entry = self.server.chats[name].entries[s - 1]
        if expires:
            self.after(self.between(4000, 15000), lambda: setattr(entry, "gone", True))

    def acknowledged(self, client: Client, name: str, s: int, durable: bool) -> None:
        server, generation = self.server, self.server.generation
        server.ack(client.name, client.user, name, s, durable)

        def settle() -> None:
            if server.generation == generation:
                server.ack(client.name, client.user, name, s, True)
                self._receipts(name, client.user)

        self.after(0 if durable else self.between(10, 100), settle)

    def _receipts(self, name: str, user: str) -> None:
        """Moves of a watermark are gathered for a while before they go out."""
        if (name, user) in self.stirred:
            return
        self.stirred.add((name, user))
        generation = self.server.generation

        def send() -> None:
            self.stirred.discard((name, user))
            chat = self.server.chats[name]
            for conn in self.live():
                if chat.is_member(conn.client.user) and generation == self.server.generation:
                    self._notice(conn, "receipt_in", self._watermark(chat, user))

        self.after(self.between(300, 900), send)
