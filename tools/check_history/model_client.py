"""The clients of the history generator: an outbox with retries, cursors, reads, and the lines an honest client writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Callable

from check_history.model_server import Answer, Entry, Fields, ServedChat

if TYPE_CHECKING:
    from check_history.model_world import World

MS = 1_000_000
SECOND = 1_000 * MS
PIPELINE_MAX = 3
ATTEMPTS_MAX = 4
IMPATIENT = 0.15  # of the messages with an unknown outcome are asked for, not tried again

Done = Callable[[str, Fields], None]


@dataclass(slots=True)
class Message:
    k: str
    digest: str
    after: str | None
    expires: bool
    attempts: int = 0
    in_flight: bool = False
    asking: bool = False  # no more tries: ask for its status


@dataclass(slots=True)
class Outbox:
    waiting: list[Message] = field(default_factory=list)
    last_accepted: str | None = None
    refused: bool = False  # wait for what is in flight, then begin again with the oldest


@dataclass(slots=True)
class Connection:
    client: Client
    number: int
    generation: int
    alive: bool = True
    server_until: int = 1 << 62  # the server still reads what came before the reset
    last_in: int = 0
    last_out: int = 0
    resumed: bool = False
    begun: bool = False  # the stream runs
    next: dict[str, int] = field(default_factory=dict)

    def to_server(self, world: World, act: Callable[[], None]) -> None:
        self.last_out = max(world.now + world.latency(), self.last_out + 1)

        def arrive() -> None:
            if world.now <= self.server_until and world.server.up and world.server.generation == self.generation:
                act()

        world.at(self.last_out, arrive)

    def to_client(self, world: World, act: Callable[[], None]) -> None:
        self.last_in = max(world.now + world.latency(), self.last_in + 1)

        def arrive() -> None:
            if self.alive:
                act()

        world.at(self.last_in, arrive)


class Client:
    """One device."""

    def __init__(self, world: World, name: str, user: str, gw: str) -> None:
        self.world, self.name, self.user, self.gw = world, name, user, gw
        self.log: list[Fields] = []
        self.op = 0
        self.conn: Connection | None = None
        self.conn_number = 0
        self.open: dict[int, tuple[str, int, Done]] = {}  # op: f, t0, what to do then
        self.boxes: dict[str, Outbox] = {}
        self.applied: dict[str, set[int]] = {}
        self.position: dict[str, int] = {}
        self.acked: dict[str, int] = {}
        self.ended = False
        world.logs[f"client-{name}.jsonl"] = self.log

    # ------------------------------------------------------------------------------------------ lines

    def write(self, f: str, kind: str, fields: Fields) -> None:
        conn = self.conn.number if self.conn is not None else 0
        line = {"run": self.world.run, "dev": self.name, "user": self.user, "conn": conn, "gw": self.gw, "type": kind, "f": f}
        line.update(fields)
        self.log.append(line)

    def request(self, f: str, fields: Fields, act: Callable[[], Answer], done: Done) -> None:
        """One operation: invoke, what the server does at one instant, outcome. Without an answer it ends as info."""
        conn = self.conn
        assert conn is not None
        self.op += 1
        op, t0 = self.op, self.world.now
        self.write(f, "invoke", {"op": op, "t0": t0, **fields})
        self.open[op] = (f, t0, done)

        def answer(kind: str, got: Fields) -> None:
            if op in self.open:
                del self.open[op]
                self.write(f, kind, {"op": op, "t0": t0, "t1": self.world.now, **got})
                done(kind, got)

        def serve() -> None:
            kind, got = act()
            conn.to_client(self.world, lambda: answer(kind, got))

        conn.to_server(self.world, serve)

    # ------------------------------------------------------------------------------------------ connections

    def connect(self) -> None:
        world = self.world
        if self.ended or self.conn is not None:
            return
        self.conn_number += 1
        self.conn = Connection(self, self.conn_number, world.server.generation)
        if not world.server.up:
            self.op += 1
            self.write("connect", "invoke", {"op": self.op, "t0": world.now})
            self.write("connect", "fail", {"op": self.op, "t0": world.now, "t1": world.now, "extra": {"code": "REFUSED"}})
            self.conn = None
            world.after(world.between(100, 800), self.connect)
            return
        self.request("connect", {}, lambda: world.connected(self), self._connected)

    def _connected(self, kind: str, got: Fields) -> None:
        if kind == "ok":
            self.request("resume", {}, lambda: self.world.resumed(self), self._resumed)

    def _resumed(self, kind: str, got: Fields) -> None:
        if kind == "ok":
            for name in self.boxes:
                self.flush(name)

    def drop(self, reason: str, graceful: bool = False) -> None:
        """The connection ends. What was under way has an unknown outcome."""
        conn = self.conn
        if conn is None:
            return
        conn.alive = False
        if not graceful:
            late = self.world.rng.random() < 0.4
            conn.server_until = self.world.now + (self.world.between(1, 50) if late else 0)
        pending, self.open = self.open, {}
        for op, (f, t0, _) in pending.items():
            self.write(f, "info", {"op": op, "t0": t0, "t1": self.world.now, "extra": {"why": reason}})
        self.write("close", "ok", {"t1": self.world.now, "extra": {"reason": reason}})
        self.conn = None
        self.world.disconnected(self, graceful)
        for _, _, done in pending.values():
            done("info", {})
        if reason in ("revoked", "drained", "retired"):
            self.ended = True
        else:
            away = self.world.between(7000, 12000) if reason == "clean" else self.world.between(50, 1200)
            self.world.after(away, self.connect)

    # ------------------------------------------------------------------------------------------ sending

    def compose(self, name: str) -> None:
        world = self.world
        box = self.boxes.setdefault(name, Outbox())
        after = box.waiting[-1].k if box.waiting else box.last_accepted
        k, digest = world.new_message()
        expires = world.rng.random() < 0.08
        box.waiting.append(Message(k, digest, after, expires))
        self.flush(name)

    def flush(self, name: str) -> None:
        box = self.boxes[name]
        if self.conn is None or not self.conn.resumed or box.refused:
            return
        for message in list(box.waiting[:PIPELINE_MAX]):
            if message.asking:
                self._ask(name, box, message)
                break  # what comes after it waits, or the order would be lost
            if not message.in_flight:
                self._attempt(name, box, message)

    def _attempt(self, name: str, box: Outbox, message: Message) -> None:
        world = self.world
        message.attempts += 1
        message.in_flight = True
        extra: Fields = {"attempt": message.attempts}
        if message.after is not None:
            extra["after"] = message.after
        if message.expires:
            extra["expires_at"] = "soon"

        def act() -> Answer:
            kind, got = world.server.send(self.user, name, message.k, message.digest, message.after)
            if kind == "ok":
                world.numbered(name, got["s"], message.expires)
            return kind, got

        def done(kind: str, got: Fields) -> None:
            message.in_flight = False
            self._outcome(name, box, message, kind, got)

        self.request("send", {"c": name, "k": message.k, "hash": message.digest, "extra": extra}, act, done)

    def _outcome(self, name: str, box: Outbox, message: Message, kind: str, got: Fields) -> None:
        if kind == "ok":
            box.waiting.remove(message)
            box.last_accepted = message.k
            if self.conn is not None:
                self.flush(name)
        elif kind == "fail" and not got["extra"]["retryable"]:
            self._give_up(box, message)
        elif kind == "fail":
            box.refused = True
        elif message.attempts >= ATTEMPTS_MAX or self.world.rng.random() < IMPATIENT:
            message.asking = True
        if box.refused and not any(item.in_flight for item in box.waiting):
            self.world.after(self.world.between(300, 900), lambda: self._again(name, box))

    def _again(self, name: str, box: Outbox) -> None:
        box.refused = False
        self.flush(name)

    def _give_up(self, box: Outbox, message: Message) -> None:
        box.waiting.remove(message)
        for later in box.waiting:
            if later.after == message.k:
                later.after = message.after

    def _ask(self, name: str, box: Outbox, message: Message) -> None:
        """Out of retries: which is it?"""

        def done(kind: str, got: Fields) -> None:
            message.in_flight = False
            if kind == "ok":
                if got["extra"]["state"] == "PRESENT":
                    box.waiting.remove(message)
                    box.last_accepted = message.k
                else:
                    self._give_up(box, message)
                self.flush(name)

        if message.in_flight:
            return
        message.in_flight = True
        self.request("status", {"c": name, "k": message.k}, lambda: self.world.server.status(name, message.k), done)

    # ------------------------------------------------------------------------------------------ receiving

    def frame(self, chat: ServedChat, entry: Entry, redelivered: bool) -> None:
        now = self.world.now
        extra: Fields = {"sender": entry.sender}
        if redelivered:
            extra["redelivered"] = True
        if entry.kind != "message":
            extra["type"], extra["event"] = entry.kind, entry.event
        if entry.deleted:
            extra["body"] = "deleted"
        digest = "" if entry.deleted else entry.digest
        fields = {"c": chat.name, "s": entry.s, "e": entry.e, "k": entry.k, "hash": digest, "t1": now, "extra": extra}
        self.write("frame", "ok", fields)
        applied = self.applied.setdefault(chat.name, set())
        if entry.s not in applied:
            applied.add(entry.s)
            self.write("apply", "ok", {"c": chat.name, "s": entry.s, "k": entry.k, "t1": now})
        self._moved(chat.name, entry.s)

    def gap(self, chat: ServedChat, entry: Entry) -> None:
        extra: Fields = {"type": "gap", "gap_from": entry.s}
        self.write("frame", "ok", {"c": chat.name, "s": entry.s, "e": entry.e, "t1": self.world.now, "extra": extra})
        self._moved(chat.name, entry.s)

    def _moved(self, name: str, s: int) -> None:
        if s > self.position.get(name, 0):
            self.position[name] = s
            self.world.after(self.world.between(20, 400), lambda: self.acknowledge(name))

    def acknowledge(self, name: str) -> None:
        world, s = self.world, self.position[name]
        if self.conn is None or not self.conn.resumed or self.acked.get(name, 0) >= s:
            return
        self.acked[name] = s
        if world.rng.random() < 0.7:

            def act() -> Answer:
                world.acknowledged(self, name, s, True)
                return "ok", {}

            self.request("ackpos", {"c": name, "s": s}, act, lambda kind, got: self._ack_done(name, kind))
            return
        # Without a receipt nobody tells how it went: only the invoke line.
        self.op += 1
        self.write("ackpos", "invoke", {"op": self.op, "t0": world.now, "c": name, "s": s})
        self.conn.to_server(world, lambda: world.acknowledged(self, name, s, False))

    def _ack_done(self, name: str, kind: str) -> None:
        if kind != "ok":
            self.acked[name] = 0

    def notice(self, f: str, fields: Fields) -> None:
        """What comes unnumbered: receipts, presence, mode."""
        self.write(f, "ok", {"t1": self.world.now, **fields})

    def ignore(self, kind: str, got: Fields) -> None:
        pass

    def read_history(self, name: str, after: int | None, limit: int, done: Done, before: int | None = None) -> None:
        extra: Fields = {"after": after, "before": before, "limit": limit}
        act: Callable[[], Answer] = lambda: self.world.server.history(self.user, name, after, before, limit)  # noqa: E731
        self.request("history", {"c": name, "extra": extra}, act, done)

    def read_all(self, names: list[str], after: int = 0) -> None:
        """Page by page, chat by chat: what a fresh device does at the end."""
        if not names:
            self.world.after(SECOND, lambda: self.drop("retired", graceful=True))
            return

        def done(kind: str, got: Fields) -> None:
            page: list[Any] = got["extra"]["got"] if kind == "ok" else []
            full = len(page) == self.world.page
            self.read_all(names if full else names[1:], page[-1][0] if full else 0)

        self.read_history(names[0], after, self.world.page, done)
