"""A history opened for editing: finds lines by what they are about, and changes them without touching the original."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Callable, Iterator, Sequence, TypeVar

from check_history.model_world import History
from check_history.model_server import Fields

OP_BASE = 1_000_000  # of inserted operations: above every op of a generated history
DUMP, RESTORE, NEMESIS = "dump.jsonl", "restore.jsonl", "nemesis.jsonl"


T = TypeVar("T")


class NoPlace(Exception):
    """The history has no place for this anomaly: nobody was removed in it, say."""


@dataclass(frozen=True, slots=True)
class Sent:
    """An acknowledged message that is whole in every view: not deleted, not expired."""

    k: str
    c: str
    s: int
    e: int
    digest: str
    sender: str
    dev: str
    invoke: Fields
    ok: Fields  # the first one


class Edit:
    def __init__(self, history: History, seed: int) -> None:
        self.rng = random.Random(seed)
        # Lines are copied, what they hold is not: whoever changes `extra` puts a new one there.
        self.files: History = {name: [dict(line) for line in lines] for name, lines in history.items()}
        self.op = OP_BASE
        self.made = 0
        self._sights: dict[str, dict[tuple[str, int], list[tuple[str, Fields]]]] = {}
        self.clients = [name for name in self.files if name.startswith("client-")]
        self.drain_t: int = next(line["t1"] for line in self.files[NEMESIS] if line["f"] == "phase")
        self.heads: dict[str, int] = {}
        for line in self.files[DUMP]:
            self.heads[line["c"]] = max(self.heads.get(line["c"], 0), line["s"])

    # ------------------------------------------------------------------------------------------ finding

    def each(self, f: str, kind: str | None = None, dev: str | None = None) -> Iterator[tuple[str, Fields]]:
        for name in self.clients:
            if dev is not None and name != f"client-{dev}.jsonl":
                continue
            for line in self.files[name]:
                if line["f"] == f and (kind is None or line["type"] == kind):
                    yield name, line

    def pairs(self, f: str, dev: str | None = None) -> Iterator[tuple[str, Fields, Fields | None]]:
        """Invoke and outcome of each operation."""
        for name in self.clients:
            if dev is not None and name != f"client-{dev}.jsonl":
                continue
            begun: dict[int, Fields] = {}
            ended: dict[int, Fields] = {}
            for line in self.files[name]:
                if line["f"] == f:
                    (begun if line["type"] == "invoke" else ended)[line["op"]] = line
            for op, invoke in begun.items():
                yield name, invoke, ended.get(op)

    def attempts(self) -> dict[str, list[tuple[Fields, Fields | None]]]:
        """Of each message: its attempts, by time."""
        found: dict[str, list[tuple[Fields, Fields | None]]] = {}
        for _, invoke, outcome in self.pairs("send"):
            found.setdefault(invoke["k"], []).append((invoke, outcome))
        return found

    def stored(self, c: str) -> dict[int, Fields]:
        return {line["s"]: line for line in self.files[DUMP] if line["c"] == c}

    def sent(self) -> list[Sent]:
        whole = {line["k"]: line for line in self.files[DUMP] if line["type"] == "message" and line["hash"]}
        found: list[Sent] = []
        for k, attempts in self.attempts().items():
            line = whole.get(k)
            oks = [(invoke, outcome) for invoke, outcome in attempts if outcome is not None and outcome["type"] == "ok"]
            if line is None or not oks or "expires_at" in attempts[0][0]["extra"]:
                continue
            first = attempts[0][0]
            found.append(Sent(k, line["c"], line["s"], line["e"], line["hash"], line["sender"], first["dev"], first, oks[0][1]))
        return sorted(found, key=lambda item: (item.c, item.s))

    def pick(self, items: Sequence[T]) -> T:
        """One of them; NoPlace when there is none."""
        if not items:
            raise NoPlace
        return self.rng.choice(items)

    def entries(self, c: str, s: int) -> list[tuple[Fields, int]]:
        """Where number `s` stands in history pages: the line, and the place in its list."""
        return [(line, at) for invoke, line in self.pages(c) for at, entry in enumerate(line["extra"]["got"]) if entry[0] == s]

    def pages(self, c: str | None = None, final: bool = False, dev: str | None = None) -> list[tuple[Fields, Fields]]:
        """History reads: invoke and ok."""
        return [(invoke, outcome) for _, invoke, outcome in self.pairs("history", dev)
                if outcome is not None and outcome["type"] == "ok" and (c is None or invoke["c"] == c)
                and (not final or invoke["t0"] >= self.drain_t)]  # fmt: skip

    def sights(self, f: str) -> dict[tuple[str, int], list[tuple[str, Fields]]]:
        """By chat and number: frames or applies, as they were when first asked for."""
        index = self._sights.get(f)
        if index is None:
            index = self._sights[f] = {}
            for name, line in self.each(f):
                if line.get("extra", {}).get("type") != "gap":
                    index.setdefault((line["c"], line["s"]), []).append((name, line))
        return index

    def frames(self, c: str, s: int | None = None, dev: str | None = None) -> list[tuple[str, Fields]]:
        return self._of("frame", c, s, dev)

    def applies(self, c: str, s: int | None = None, dev: str | None = None) -> list[tuple[str, Fields]]:
        return self._of("apply", c, s, dev)

    def _of(self, f: str, c: str, s: int | None, dev: str | None) -> list[tuple[str, Fields]]:
        if s is not None:
            found = self.sights(f).get((c, s), [])
        else:
            found = [(name, line) for name, line in self.each(f, dev=dev)
                     if line["c"] == c and line.get("extra", {}).get("type") != "gap"]  # fmt: skip
        return [(name, line) for name, line in found if dev is None or line["dev"] == dev]

    def intervals(self, c: str) -> dict[str, list[list[int]]]:
        """By person: when a member, as [from, to], to being 0 while it lasts."""
        found: dict[str, list[list[int]]] = {}
        for s, line in sorted(self.stored(c).items()):
            event = line.get("event") or {}
            if line["type"] == "created":
                for user in event["members"]:
                    found[user] = [[s, 0]]
            elif event.get("op") == "add":
                found.setdefault(event["user_id"], []).append([s, 0])
            elif event.get("op") in ("remove", "leave"):
                found[event["user_id"]][-1][1] = s
        return found

    def devices(self) -> dict[str, str]:
        """Devices that drained: name and person."""
        return {line["dev"]: line["user"] for _, line in self.each("close") if line["extra"]["reason"] == "drained"}

    # ------------------------------------------------------------------------------------------ changing

    def remove(self, wanted: Callable[[str, Fields], bool]) -> None:
        for name, lines in self.files.items():
            self.files[name] = [line for line in lines if not wanted(name, line)]

    def remove_line(self, name: str, line: Fields) -> None:
        self.files[name] = [other for other in self.files[name] if other is not line]

    def remove_op(self, name: str, op: int) -> None:
        self.files[name] = [line for line in self.files[name] if line.get("op") != op]

    def insert_after(self, name: str, line: Fields, *new: Fields) -> None:
        at = next(index for index, other in enumerate(self.files[name]) if other is line)
        self.files[name][at + 1 : at + 1] = list(new)

    def insert_before(self, name: str, line: Fields, *new: Fields) -> None:
        at = next(index for index, other in enumerate(self.files[name]) if other is line)
        self.files[name][at:at] = list(new)

    def insert_at(self, name: str, t: int, *new: Fields) -> None:
        """Before the first line that is later than `t`."""
        lines = self.files[name]
        at = next((index for index, line in enumerate(lines) if int(line.get("t1") or line["t0"]) > t), len(lines))
        lines[at:at] = list(new)

    def operation(self, like: Fields, f: str, t0: int, t1: int, kind: str, asked: Fields, got: Fields) -> tuple[Fields, Fields]:
        """Two lines of a new operation, by the device and connection of `like`."""
        self.op += 1
        who = {name: like[name] for name in ("run", "dev", "user", "conn", "gw")}
        invoke = {**who, "type": "invoke", "f": f, "op": self.op, "t0": t0, **asked}
        return invoke, {**who, "type": kind, "f": f, "op": self.op, "t0": t0, "t1": t1, **got}

    def new_key(self) -> tuple[str, str]:
        self.made += 1
        return f"ffffffff-0000-7000-8000-{self.made:012x}", f"{self.rng.getrandbits(128):032x}"

    def rival(self, item: Sent) -> tuple[str, str]:
        """Another message that the same device also sent, and of which nobody knows how it ended."""
        k, digest = self.new_key()
        t = item.invoke["t0"]
        asked = {"c": item.c, "k": k, "hash": digest, "extra": {}}
        new = self.operation(item.invoke, "send", t, item.ok["t1"], "info", asked, {})
        self.insert_before(f"client-{item.dev}.jsonl", item.invoke, *new)
        return k, digest

    @staticmethod
    def set_entry(line: Fields, at: int, *values: Any) -> None:
        """New values for the front of an entry of a page."""
        got = list(line["extra"]["got"])
        got[at] = [*values, *got[at][len(values) :]]
        line["extra"] = {**line["extra"], "got": got}

    @staticmethod
    def set_page(line: Fields, keep: Callable[[list[Any]], bool], **extra: Any) -> None:
        got = [entry for entry in line["extra"]["got"] if keep(entry)]
        line["extra"] = {**line["extra"], "got": got, **extra}

    def show(self, c: str, s: int, k: str, digest: str, sender: str) -> None:
        """Number `s` holds this message, in every view."""
        for _, line in self.frames(c, s):
            line["k"], line["hash"] = k, digest
            line["extra"] = {**line["extra"], "sender": sender}
        for _, line in self.applies(c, s):
            line["k"] = k
        for line, at in self.entries(c, s):
            more = {**line["extra"]["got"][at][4], "sender": sender}
            self.set_entry(line, at, s, line["extra"]["got"][at][1], k, digest, more)
        for name in (DUMP, RESTORE):
            for line in self.files[name]:
                if line["c"] == c and line["s"] == s:
                    line["k"], line["hash"], line["sender"] = k, digest, sender

    def cut(self, c: str, s: int, live: bool, pages: Callable[[Fields], bool], dump: bool) -> None:
        """The chat ends below `s`: in what was live, in the history reads that `pages` says, in the dump."""
        if live:
            self.remove(lambda name, line: line["f"] in ("frame", "apply") and line["c"] == c and line["s"] >= s
                        if name in self.clients else False)  # fmt: skip
            for _, line in self.each("ackpos", "invoke"):
                if line["c"] == c and line["s"] >= s:
                    line["s"] = s - 1
            for _, line in self.each("resume", "ok"):
                extra = {what: {name: min(value, s - 1) if name == c else value for name, value in values.items()}
                         for what, values in line["extra"].items()}  # fmt: skip
                line["extra"] = extra
        for invoke, line in self.pages(c):
            if pages(invoke):
                self.set_page(line, lambda entry: bool(entry[0] < s), head=min(line["extra"]["head"], s - 1))
        if dump:
            for name in (DUMP, RESTORE):
                self.files[name] = [line for line in self.files[name] if line["c"] != c or line["s"] < s]

    def append(self, c: str, k: str, digest: str, sender: str) -> int:
        """One more number at the end of a chat, in the dump and in the final reads that reach the end."""
        head = self.heads[c]
        e = self.stored(c)[head]["e"]
        new = {"c": c, "s": head + 1, "e": e, "k": k, "type": "message", "hash": digest, "sender": sender}
        at = max(index for index, line in enumerate(self.files[DUMP]) if line["c"] == c)
        self.files[DUMP].insert(at + 1, new)
        shown = False
        for invoke, line in self.pages(c, final=True):
            if line["extra"]["head"] == head and self.intervals(c)[invoke["user"]][-1][1] == 0:
                got = line["extra"]["got"]
                if len(got) < invoke["extra"]["limit"]:
                    got = [*got, [head + 1, e, k, digest, {"sender": sender}]]
                    shown = True
                line["extra"] = {**line["extra"], "got": got, "head": head + 1}
        if not shown:
            raise NoPlace
        return head + 1

    def last_frame(self, dev: str) -> Fields:
        found = [line for _, line in self.each("frame", dev=dev)]
        return self.pick(found[-1:])


# ---------------------------------------------------------------------------------------------- anomalies

# An anomaly breaks a valid history in one way, at a random place, or raises NoPlace.
Anomaly = Callable[[Edit], None]
KINDS: dict[str, tuple[str, Anomaly]] = {}


def kind(verdict: str) -> Callable[[Anomaly], Anomaly]:
    """Registers a function as the anomaly of its name, which must be called `verdict`."""

    def register(anomaly: Anomaly) -> Anomaly:
        KINDS[anomaly.__name__] = (verdict, anomaly)
        return anomaly

    return register


def in_final(edit: Edit, item: Sent) -> bool:
    return any(item.s in {entry[0] for entry in line["extra"]["got"]} for _, line in edit.pages(item.c, final=True))


def stored_line(edit: Edit, name: str, c: str, s: int) -> list[Fields]:
    """Its line in the dump or the restore: one, or none."""
    return [line for line in edit.files[name] if line["c"] == c and line["s"] == s]


def lost_answer(outcome: Fields | None) -> None:
    """The outcome of an operation never came."""
    if outcome is not None:
        outcome["type"] = "info"
        outcome.pop("s", None)
        outcome.pop("e", None)
