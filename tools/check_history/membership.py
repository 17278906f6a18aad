"""Who may see what: leaks outside a membership (I-A1, I-C4), and access that went on after it was ended (I-A2)."""

from __future__ import annotations

from bisect import bisect_right

from check_history import verdicts as v
from check_history.model import META_GAP, NEVER, SECOND, Chat, Device, Model, Page, Range, Stream, merge_ranges
from check_history.verdicts import Findings

ENDED_SECONDS_MAX = 5


def check(model: Model, found: Findings) -> None:
    for dev, stream in model.streams():
        if stream.chat.created:
            _frames(dev, stream, found)
    for chat in model.chats.values():
        if chat.created:
            for page in chat.pages:
                _page(chat, page, found)
            _accepted(model, chat, found)
    _ended(model, found)


def _allowed(chat: Chat, user: str) -> list[Range]:
    ranges = chat.intervals.get(user, [])
    return [(1, ranges[-1][1])] if ranges and chat.open_history else merge_ranges(ranges)


def _ended_at(chat: Chat, user: str, s: int) -> int:
    """The line of the membership event that shut this person out, as far as one is known."""
    ends = [high for _, high in chat.intervals.get(user, ()) if high < s]
    return chat.members[ends[-1]].ref if ends else -1


def _frames(dev: Device, stream: Stream, found: Findings) -> None:
    chat, user = stream.chat, dev.user
    allowed = _allowed(chat, user)
    # The usual case is one membership: two comparisons a frame.
    low, high = allowed[0] if len(allowed) == 1 else (NEVER, 0)
    for s, ref, meta in zip(stream.frame_s, stream.frame_ref, stream.frame_meta):
        if low <= s <= high or meta & META_GAP or any(first <= s <= last for first, last in allowed):
            continue
        slot = chat.slots.get(s)
        why = f"{dev.name} of {user} got {chat.name} {s}, outside its membership"
        found.add(v.LEAK, why, [_ended_at(chat, user, s), ref, slot.ref if slot else -1], [s])
    for s, ref in zip(stream.apply_s, stream.apply_ref):
        if not (low <= s <= high or any(first <= s <= last for first, last in allowed)):
            found.add(v.LEAK, f"{dev.name} of {user} applied {chat.name} {s}, outside its membership", [ref], [s])


def _page(chat: Chat, page: Page, found: Findings) -> None:
    user = page.dev.user
    allowed = _allowed(chat, user)
    for low, high in page.runs:
        at = bisect_right(allowed, (low, NEVER)) - 1
        if at >= 0 and allowed[at][1] >= high:
            continue
        s = low if at < 0 or allowed[at][1] < low else allowed[at][1] + 1
        why = f"a history read by {page.dev.name} of {user} shows {chat.name} {s}, outside its membership"
        found.add(v.LEAK, why, [_ended_at(chat, user, s), page.ref], [s])


def _accepted(model: Model, chat: Chat, found: Findings) -> None:
    """A message that was accepted from somebody who was no member at its number."""
    for send in chat.sends:
        place = model.slot_of(send.k)
        if place is None or place[0] is not chat:
            continue
        slot, user = place[1], send.dev.user
        if not any(low <= slot.s <= high for low, high in chat.intervals.get(user, ())):
            ack = send.acks[0].ref if send.acks else -1
            why = f"{chat.name} {slot.s} was accepted from {user}, who was no member then"
            found.add(v.STALE_ACCESS, why, [_ended_at(chat, user, slot.s), send.ref, ack, slot.ref], [slot.s])


def _ended(model: Model, found: Findings) -> None:
    """After logout, revocation or a new password is acknowledged: 5 s later nothing arrives and nothing is granted."""
    for ended in model.ended:
        dev = model.devices.get(ended.dev)
        if dev is None:
            continue
        deadline = ended.t + ENDED_SECONDS_MAX * SECOND
        for stream in dev.streams.values():
            for s, t, ref in zip(stream.frame_s, stream.frame_t, stream.frame_ref):
                if t > deadline:
                    late = (t - ended.t) / SECOND
                    why = f"{dev.name} got {stream.chat.name} {s}, {late:.1f} s after its access was ended"
                    found.add(v.STALE_ACCESS, why, [ended.ref, ref], [s])
        for sight in dev.granted:
            # An operation begun before the deadline may be answered after it: only what began later counts.
            if sight.t0 > deadline:
                why = f"an operation of {dev.name} was granted {(sight.t0 - ended.t) / SECOND:.1f} s after its access was ended"
                found.add(v.STALE_ACCESS, why, [ended.ref, sight.ref])
