"""Order: real time (I-O2), a device's own sends (I-O3), and the live stream of a connection (I-O5)."""

from __future__ import annotations

from check_history import verdicts as v
from check_history.model import META_GAP, META_SHIFT, NEVER, Chat, Device, Model, Send, Stream
from check_history.verdicts import Findings


def check(model: Model, found: Findings) -> None:
    for chat in model.chats.values():
        _real_time(model, chat, found)
    for dev in model.devices.values():
        _fifo(model, dev, found)
        for stream in dev.streams.values():
            if stream.chat.created and stream.frame_s:
                _stream(dev, stream, found)


def _real_time(model: Model, chat: Chat, found: Findings) -> None:
    """Walk the numbers upward with the latest invoke so far: an acknowledgement older than it came out of order."""
    placed: list[tuple[int, int, int, int, int]] = []  # s, first invoke, first ack, their refs
    for send in chat.sends:
        place = model.slot_of(send.k)
        if place is not None and place[0] is chat:
            # A message nobody acknowledged has its number from the views, and still an invoke.
            acks = [(ack.t, ack.ref) for ack in send.acks if ack.s == place[1].s]
            t, ref = min(acks, default=(NEVER, -1))
            placed.append((place[1].s, send.t0, t, send.ref, ref))
    for item in chat.numbered:
        placed.append((item.s, item.t0, item.t1, item.ref, item.ref))
    placed.sort()
    latest, latest_ref, latest_s = -1, -1, 0
    for s, t0, t1, ref, ack_ref in placed:
        if t1 < latest:
            why = f"{chat.name} {s} was acknowledged before {latest_s}, below it, was invoked"
            found.add(v.REORDERED, why, [latest_ref, ref, ack_ref], [latest_s, s])
        if t0 > latest:
            latest, latest_ref, latest_s = t0, ref, s


def _fifo(model: Model, dev: Device, found: Findings) -> None:
    """A device's messages to one chat stand in the order it first sent them.

    Without `after` the server may take a later message while it refuses an earlier one, so one that was refused in
    between binds only those that name it by `after`.
    """
    highest: dict[str, tuple[int, Send]] = {}
    for send in dev.sends:
        place = model.slot_of(send.k)
        if place is None or place[0] is not send.chat:
            continue
        s = place[1].s
        bound = [highest.get(send.chat.name)]
        previous = model.sends.get(send.after) if send.after else None
        previous_place = model.slot_of(previous.k) if previous is not None else None
        if previous is not None and previous_place is not None and previous_place[0] is send.chat:
            bound.append((previous_place[1].s, previous))
        for item in bound:
            if item is not None and item[0] > s:
                why = f"{dev.name} sent {item[1].k} before {send.k}, but their numbers in {send.chat.name} are {item[0]} and {s}"
                found.add(v.FIFO, why, [item[1].ref, send.ref, place[1].ref], [s, item[0]])
        if not send.fails and send.acks and (bound[0] is None or s > bound[0][0]):
            highest[send.chat.name] = (s, send)


def _stream(dev: Device, stream: Stream, found: Findings) -> None:
    """Frames of a chat ascend by one on each connection, from at most one above what the device acknowledged."""
    chat, user = stream.chat, dev.user
    at, sent = 0, 0  # the position this device has sent, on connections up to this one
    joined = chat.slots.get(chat.first_visible(user, 0))
    if chat.encrypted and joined is not None and dev.t_first > joined.t:
        sent = stream.frame_s[0] - 1  # a late device begins at the head of that time
    conn, previous, previous_ref = -1, 0, -1
    here: set[int] = set()  # what came on this connection
    for index, (s, ref, meta) in enumerate(zip(stream.frame_s, stream.frame_ref, stream.frame_meta)):
        gap = bool(meta & META_GAP)
        low = stream.gap_from[index] if gap else s
        if not gap and not chat.may_see(user, s):
            continue  # a leak, which membership.py names
        why = ""
        if meta >> META_SHIFT != conn:
            conn = meta >> META_SHIFT
            here.clear()
            while at < len(stream.acks) and stream.acks[at].ref < ref:
                sent = max(sent, stream.acks[at].s)
                at += 1
            if low > sent + 1 and not _reaches(chat, user, sent, low):
                why = f"{dev.name} acknowledged {chat.name} up to {sent}, and its next connection began at {low}"
            previous = 0
        elif s in here:
            continue  # twice on one connection: a spurious redelivery, which delivery.py names
        elif s <= previous or not (_reaches(chat, user, previous, low) or (gap and low <= previous)):
            why = f"on one connection of {dev.name}, {chat.name} went from {previous} to {low}"
        if why:
            found.add(v.STREAM, why, [previous_ref, ref], [previous, low])
        here.add(s)
        previous, previous_ref = max(previous, s), ref


def _reaches(chat: Chat, user: str, previous: int, s: int) -> bool:
    """May `s` come right after `previous`? A gap may begin before what this person may see."""
    return s == previous + 1 or chat.follows(user, previous, s) or chat.first_visible(user, previous) == s
