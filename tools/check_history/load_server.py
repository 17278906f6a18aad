"""What is not a client's own doing: sights of numbered slots, the nemesis log, and what the store holds."""

from __future__ import annotations

from typing import Any

from check_history.model import IN_DUMP, IN_RESTORE, MESSAGE, NEVER, Bodyless, Chat, Fault, Member, Model, Slot
from check_history.reader import Event, Malformed

NO_EXTRA: dict[str, Any] = {}
ENTERS, GOES = ("create", "add"), ("remove", "leave", "ban")


def see(model: Model, chat: Chat, seen: Slot, dev: str, extra: dict[str, Any]) -> None:
    """One sight of a slot. `seen.t` is NEVER for a sight without a date (dump, restore)."""
    if type(seen.s) is not int or type(seen.e) is not int or seen.s < 1:
        raise Malformed(f"s {seen.s!r}, e {seen.e!r}")
    if seen.kind == MESSAGE:
        if not seen.k:
            raise Malformed("a message without k")
        if not seen.digest:
            chat.bodyless.append(Bodyless(seen, dev, str(extra.get("body") or "")))
    else:
        numbered_event(chat, seen, extra.get("event") or NO_EXTRA)
    slot = chat.slots.get(seen.s)
    if slot is None:
        chat.slots[seen.s] = seen
        if seen.kind == MESSAGE:
            if seen.k in model.places:
                model.repeats.append((seen.k, chat, seen))
            else:
                model.places[seen.k] = (chat, seen.s)
        return
    if not slot.digest:
        slot.digest = seen.digest  # the first sight had no body
    elif not seen.digest:
        seen.digest = slot.digest
    slot.sender = slot.sender or seen.sender
    if not slot.same(seen) or (seen.sender and seen.sender != slot.sender):
        chat.clashes.append(seen)
        return
    slot.views |= seen.views
    if seen.t < slot.t:
        slot.t, slot.ref = seen.t, seen.ref


def numbered_event(chat: Chat, seen: Slot, body: dict[str, Any]) -> None:
    """Membership and deletions, from the content that the server gave the event."""
    if seen.kind == "created":
        member_event(chat, seen.s, "create", [user_of(item) for item in body.get("members") or ()], seen.ref)
        chat.encrypted = chat.encrypted or bool(body.get("encrypted"))
        chat.open_history = chat.open_history or body.get("history") == "all"
    elif seen.kind == "member":
        op = body.get("op")
        if op in ENTERS or op in GOES:
            member_event(chat, seen.s, op, [body["user_id"]], seen.ref)
    elif seen.kind == "deleted" and "seq" in body:
        chat.deleted.add(body["seq"])


def member_event(chat: Chat, s: int, op: str, users: list[str], ref: int) -> None:
    if op == "create" and users:
        chat.created = True
    if users and s not in chat.members:
        chat.members[s] = Member(op, tuple(users), ref)


def user_of(item: Any) -> str:
    """A member as `created` lists it: the id, or an object with it."""
    user = item["user_id"] if isinstance(item, dict) else item
    if not isinstance(user, str):
        raise Malformed(f"member {item!r}")
    return user


class ServerLog:
    """Handlers for nemesis*.jsonl, dump*.jsonl and restore*.jsonl."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.open_faults: dict[int, Fault] = {}

    def nemesis(self, event: Event, ref: int) -> None:
        model, f, extra = self.model, event["f"], event.get("extra") or NO_EXTRA
        model.run = str(event.get("run") or model.run)
        if f == "plan":
            if model.plan is not None:
                extra = _plans_together(model.plan, extra)
            model.plan = extra
        elif f == "phase":
            if extra["name"] == "drain":
                t = int(event["t1"])
                model.drain_t = t if model.drain_t == NEVER else max(model.drain_t, t)
        elif f == "fault":
            if event["type"] == "start":
                kind = str(extra["kind"])
                fault = Fault(kind, event["t1"], NEVER, bool(extra.get("down")), kind == "region", ref)
                if event["op"] in self.open_faults:
                    raise Malformed(f"fault {event['op']} starts twice")
                self.open_faults[event["op"]] = fault
                model.faults.append(fault)
            elif event["type"] == "stop":
                self.open_faults.pop(event["op"]).t1 = event["t1"]
            else:
                raise Malformed(f"fault of type {event['type']!r}")
        else:
            raise Malformed(f"f {f!r} in a nemesis log")

    def dump(self, event: Event, ref: int) -> None:
        self._stored(event, ref, IN_DUMP)

    def restore(self, event: Event, ref: int) -> None:
        self._stored(event, ref, IN_RESTORE)

    def _stored(self, event: Event, ref: int, view: int) -> None:
        chat, s, kind = self.model.chat(event["c"]), event["s"], event.get("type") or MESSAGE
        if kind == "gap":
            chat.stored_gaps.setdefault(view, []).append((int(event["gap_from"]), int(s)))
            return
        k, digest = event.get("k") or "", event.get("hash") or ""
        see(self.model, chat, Slot(s, event["e"], k, digest, kind, event.get("sender") or "", view, NEVER, ref), "", event)


def _plans_together(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two runs checked together: their planned numbers add up, the rest is the later one's."""
    merged = {**first, **second}
    for name in ("ops", "faults"):
        one, two = first.get(name) or {}, second.get(name) or {}
        merged[name] = {key: one.get(key, 0) + two.get(key, 0) for key in {**one, **two}}
    merged["acks_in_faults"] = first.get("acks_in_faults", 0) + second.get("acks_in_faults", 0)
    return merged
