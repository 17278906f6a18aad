"""Small histories written by hand, for limits and rare cases of the history checker."""

from __future__ import annotations

from typing import Any

SECOND = 1_000_000_000
START = 1_000 * SECOND


class Logs:
    """Ann and Bob with a device each, in `chat` and, when wanted, more chats. Times are in ns after START."""

    def __init__(self, chats: tuple[str, ...] = ("chat",), people: tuple[str, ...] = ("ann", "bob")) -> None:
        self.files: dict[str, list[dict[str, Any]]] = {"nemesis.jsonl": [], "dump.jsonl": []}
        self.people = people
        self.op = 0
        self.heads: dict[str, int] = {}
        self.nemesis("plan", "ok", 0, extra={"ops": {"send": 0}, "acks_in_faults": 0})
        for person in people:
            self.files[f"{person}.jsonl"] = []
            self.two("connect", person, 0, 1, conn=1)
            self.two("resume", person, 2, 3, conn=1)
        for c in chats:
            asked = {"op": "create", "members": list(people)}
            self.two("member", people[0], 4, 5, c=c, extra=asked, ok={"s": 1})
            self.stored(c, 1, "", "", type="created", event={"members": list(people)})
            self.deliver(c, 1, 6, type="created", event={"members": list(people)})

    def line(self, person: str, f: str, kind: str, **fields: Any) -> dict[str, Any]:
        line = {"dev": person, "user": person.split("-")[0], "f": f, "type": kind, "conn": 1, **fields}
        for name in ("t0", "t1"):
            if name in line:
                line[name] += START
        self.files.setdefault(f"{person}.jsonl", []).append(line)
        return line

    def two(self, f: str, person: str, t0: int, t1: int | None, kind: str = "ok", ok: dict[str, Any] | None = None, **asked: Any) -> int:
        """An operation; without t1 its outcome is not written."""
        self.op += 1
        self.line(person, f, "invoke", op=self.op, t0=t0, **asked)
        if t1 is not None:
            self.line(person, f, kind, op=self.op, t1=t1, **(ok or {}))
        return self.op

    def nemesis(self, f: str, kind: str, t1: int, **fields: Any) -> None:
        self.files["nemesis.jsonl"].append({"f": f, "type": kind, "t1": START + t1, **fields})

    def fault(self, kind: str, start: int, stop: int | None, **extra: Any) -> None:
        self.op += 1
        self.nemesis("fault", "start", start, op=self.op, extra={"kind": kind, **extra})
        if stop is not None:
            self.nemesis("fault", "stop", stop, op=self.op)

    def stored(self, c: str, s: int, k: str, digest: str, **more: Any) -> None:
        self.heads[c] = max(self.heads.get(c, 0), s)
        self.files["dump.jsonl"].append({"c": c, "s": s, "e": 1, "k": k, "hash": digest, **more})

    def frame(self, person: str, c: str, s: int, t: int, k: str = "", digest: str = "", **extra: Any) -> None:
        self.line(person, "frame", "ok", c=c, s=s, e=1, k=k, hash=digest, t1=t, extra=extra)

    def apply(self, person: str, c: str, s: int, t: int) -> None:
        self.line(person, "apply", "ok", c=c, s=s, t1=t)

    def deliver(self, c: str, s: int, t: int, k: str = "", digest: str = "", to: tuple[str, ...] = (), **extra: Any) -> None:
        for person in to or self.people:
            self.frame(person, c, s, t, k, digest, **extra)
            self.apply(person, c, s, t)

    def send(self, person: str, k: str, t0: int, t1: int | None, c: str = "chat", s: int | None = None, kind: str = "ok",
             **extra: Any) -> int:  # fmt: skip
        """A message, numbered and in the dump when its outcome is ok; `deliver` shows it."""
        asked = {"c": c, "k": k, "hash": f"h-{k}", "extra": {name: value for name, value in extra.items() if name != "retryable"}}
        answer: dict[str, Any] = {"extra": {"retryable": extra.get("retryable", False)}}
        number = 0
        if kind == "ok":
            number = s or self.heads[c] + 1
            self.stored(c, number, k, f"h-{k}")
            answer = {"s": number, "e": 1}
        self.two("send", person, t0, t1, kind, answer, **asked)
        return number

    def message(self, person: str, k: str, t0: int, t1: int, c: str = "chat") -> int:
        """Sent, acknowledged, delivered."""
        s = self.send(person, k, t0, t1, c)
        self.deliver(c, s, t1, k, f"h-{k}")
        return s

    def end(self, t: int) -> dict[str, list[dict[str, Any]]]:
        self.nemesis("phase", "ok", t, extra={"name": "drain"})
        for person in self.people:
            self.line(person, "close", "ok", t1=t + 1, extra={"reason": "drained"})
        return self.files
