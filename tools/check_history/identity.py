"""What a number holds, and where an acknowledged message went: I-D1, I-D5, I-E1, I-E2, I-E4, I-E5, I-O1, I-O4."""

from __future__ import annotations

from check_history import verdicts as v
from check_history.model import (
    END_VIEWS, FINAL, HISTORY, IN_DUMP, LIVE, MESSAGE, NEVER, SECOND, VIEW_NAMES, Chat, Fault, Model, Send, Slot,
)  # fmt: skip
from check_history.verdicts import Findings

REGION_LOSS_SECONDS_MAX = 60


def check(model: Model, found: Findings) -> None:
    for chat in model.chats.values():
        _slots(model, chat, found)
        _clashes(model, chat, found)
        _bodyless(model, chat, found)
        _epochs(chat, found)
    _repeats(model, found)
    lost = [send for send in model.sends.values() if _missing(model, send, found)]
    _lost(model, lost, found)
    _seen_then_gone(model, found)
    _statuses(model, found)


def _evidence(send: Send | None) -> list[int]:
    """The lines that tell a message's story: first invoke, acknowledgements, last outcome."""
    if send is None:
        return []
    return [send.ref, *(ack.ref for ack in send.acks[:3]), send.ref_last]


# ---------------------------------------------------------------------------------------------- contents


def _slots(model: Model, chat: Chat, found: Findings) -> None:
    for s, slot in chat.slots.items():
        if slot.kind == MESSAGE:
            _content(model, chat, slot, found)


def _content(model: Model, chat: Chat, slot: Slot, found: Findings) -> None:
    """Does one sight of a message match what was sent?"""
    send, s = model.sends.get(slot.k), slot.s
    if send is None:
        found.add(v.PHANTOM, f"{chat.name} {s} holds {slot.k}, which nobody sent", [slot.ref], [s])
        return
    if send.chat is not chat:
        # Sent to one chat, found in another: a move or a copy when it was acknowledged or is in its own chat as well.
        place = model.places.get(slot.k)
        if not send.acks and place is not None and place == (chat, s):
            found.add(v.PHANTOM, f"{chat.name} {s} holds {slot.k}, sent to {send.chat.name}", [send.ref, slot.ref], [s])
        return
    if slot.digest and slot.digest not in send.digests:
        why = f"{chat.name} {s} shows {slot.k} with hash {slot.digest}, sent with {send.digest}"
        found.add(v.CORRUPT, why, [send.ref, slot.ref], [s])
        return
    if slot.sender and slot.sender != send.dev.user:
        why = f"{chat.name} {s} names {slot.sender} as sender of {slot.k}, sent by {send.dev.user}"
        found.add(v.CORRUPT, why, [send.ref, slot.ref], [s])
    acked = {ack.digest for ack in send.acks}
    if slot.digest and acked and acked != {slot.digest}:
        why = f"{slot.k} was acknowledged with another content than {chat.name} {s} holds"
        found.add(v.CORRUPT, why, [*_evidence(send), slot.ref], [s])
    elif slot.digest and slot.digest not in acked and slot.digest not in send.unsure:
        why = f"{chat.name} {s} holds {slot.k}, though every attempt was refused"
        found.add(v.ABORTED_READ, why, [*_evidence(send), slot.ref], [s])


def _clashes(model: Model, chat: Chat, found: Findings) -> None:
    """Sights that differ from the first sight of their number."""
    for clash in chat.clashes:
        slot = chat.slots[clash.s]
        refs = [slot.ref, clash.ref]
        where = f"{chat.name} {clash.s}, {VIEW_NAMES[clash.views & ~HISTORY or HISTORY]}:"
        if clash.kind == MESSAGE:
            _content(model, chat, clash, found)
        if clash.e != slot.e:
            found.add(v.FORK, f"{where} epoch {clash.e}, elsewhere {slot.e}", refs, [clash.s])
        elif clash.k != slot.k or clash.kind != slot.kind:
            for k in (slot.k, clash.k):
                send = model.sends.get(k)
                refs.append(send.ref if send else -1)
            mine, other = clash.k or clash.kind, slot.k or slot.kind
            found.add(v.FORK, f"{where} {mine}, elsewhere {other}", refs, [clash.s])
        elif clash.kind != MESSAGE and clash.digest != slot.digest:
            found.add(v.FORK, f"{where} event {clash.kind} with another content", refs, [clash.s])


def _bodyless(model: Model, chat: Chat, found: Findings) -> None:
    """A missing body needs its reason: deleted, expired, sealed for other devices, or the own device's copy."""
    for item in chat.bodyless:
        s, send = item.slot.s, model.sends.get(item.slot.k)
        if s in chat.deleted or (send is not None and (send.expires or send.dev.name == item.dev)):
            continue
        if item.reason == "sealed" and chat.encrypted:
            continue
        found.add(v.CORRUPT, f"{chat.name} {s} is shown without its body", [send.ref if send else -1, item.slot.ref], [s])


def _epochs(chat: Chat, found: Findings) -> None:
    last: Slot | None = None
    for s in chat.ordered:
        slot = chat.slots[s]
        if last is not None and slot.e < last.e:
            why = f"{chat.name}: epoch falls from {last.e} at {last.s} to {slot.e} at {s}"
            found.add(v.FORK, why, [last.ref, slot.ref], [last.s, s])
        last = slot


def _repeats(model: Model, found: Findings) -> None:
    for k, chat, slot in model.repeats:
        place = model.slot_of(k)
        if place is None:
            continue
        first_chat, first = place
        send = model.sends.get(k)
        why = f"{k} is at {first_chat.name} {first.s} and at {chat.name} {slot.s}"
        found.add(v.DUPLICATED_IN_LOG, why, [*_evidence(send), first.ref, slot.ref], [first.s, slot.s])


# ---------------------------------------------------------------------------------------------- acknowledged


def _missing(model: Model, send: Send, found: Findings) -> bool:
    """Judges where an acknowledged message is. True when it is nowhere that counts, for _lost to say of which kind."""
    if not send.acks:
        return False
    place = model.slot_of(send.k)
    for ack in send.acks:
        slot = send.chat.slots.get(ack.s)
        if slot is not None and slot.k == send.k:
            if slot.e != ack.e:
                why = f"{send.k} was acknowledged in epoch {ack.e}, {send.chat.name} {ack.s} shows epoch {slot.e}"
                found.add(v.FORK, why, [send.ref, ack.ref, slot.ref], [ack.s])
        elif place is not None:
            why = f"{send.k} was acknowledged as {send.chat.name} {ack.s}, found at {place[0].name} {place[1].s}"
            found.add(v.MOVED, why, [send.ref, ack.ref, place[1].ref], [ack.s, place[1].s])
    if place is None:
        return not any(clash.k == send.k for clash in send.chat.clashes)
    return place[0] is send.chat and _gone_at_end(model, send, place[1])


def _gone_at_end(model: Model, send: Send, slot: Slot) -> bool:
    """Was the message seen once, and is it missing from what is left at the end? A hole in a longer view is gap/stuck."""
    chat = send.chat
    if send.expires or (not slot.views & END_VIEWS and not model.ends_seen(chat, slot.s)):
        return False
    if not slot.views & END_VIEWS:
        return True
    if model.files["dump"] and not slot.views & IN_DUMP:
        return slot.s > chat.dump_head
    return False


def _lost(model: Model, lost: list[Send], found: Findings) -> None:
    regions = [fault for fault in model.faults if fault.region]
    for send in lost:
        if send.expires:
            continue
        refs = _evidence(send)
        place = model.slot_of(send.k)
        if place is not None:
            refs.append(place[1].ref)
        s = send.acks[0].s
        if regions:
            excused = _region_excuse(model, send, regions, found)
            if excused:
                continue
        how = "is in no view" if place is None else "was seen, but is not there at the end"
        found.add(v.LOST, f"{send.k}, acknowledged as {send.chat.name} {s}, {how}", refs, [s])
    for send in model.sends.values():
        place = model.slot_of(send.k)
        if place is not None and place[0] is send.chat:
            _lost_to_clients(model, send, place[1], found)


def _region_excuse(model: Model, send: Send, regions: list[Fault], found: Findings) -> bool:
    """I-D2. True when the loss is allowed, or was reported as `region loss`; False when no region explains it."""
    acked = send.acked_at()
    for fault in regions:
        if acked > fault.t0:
            continue
        if acked < fault.t0 - REGION_LOSS_SECONDS_MAX * SECOND:
            why = f"{send.k} was acknowledged {(fault.t0 - acked) / SECOND:.1f} s before the region was lost"
            found.add(v.REGION_LOSS, why, [send.ref, send.acks[0].ref, fault.ref], [send.acks[0].s])
            return True
        kept = [other for other in send.chat.sends if other.acks and other.acks[0].s > send.acks[0].s
                and other.acked_at() < fault.t0 and _kept(model, other)]  # fmt: skip
        if kept:
            why = f"{send.k} was lost with the region, but {kept[0].k} after it was kept: a hole, not a suffix"
            found.add(v.REGION_LOSS, why, [send.ref, send.acks[0].ref, kept[0].acks[0].ref, fault.ref], [send.acks[0].s])
        return True
    return False


def _kept(model: Model, send: Send) -> bool:
    place = model.slot_of(send.k)
    return place is not None and bool(place[1].views & END_VIEWS)


def _lost_to_clients(model: Model, send: Send, slot: Slot, found: Findings) -> None:
    if slot.views & (LIVE | HISTORY | FINAL) or not slot.views & IN_DUMP:
        return
    if not send.chat.read_at_end(slot.s):
        return
    if send.acks or (model.drain_t != NEVER and send.t_last <= model.drain_t):
        why = f"{send.k} is in the dump at {send.chat.name} {slot.s}, and no client ever saw it"
        found.add(v.LOST_TO_CLIENTS, why, [*_evidence(send), slot.ref], [slot.s])


def _seen_then_gone(model: Model, found: Findings) -> None:
    """Nothing leaves the server before it is durable, so what was shown once, acknowledged or not, must stay."""
    if any(fault.region for fault in model.faults):
        return
    for chat in model.chats.values():
        for slot in chat.slots.values():
            if slot.views & (LIVE | HISTORY) and not slot.views & END_VIEWS and model.ends_seen(chat, slot.s):
                send = model.sends.get(slot.k)
                if send is not None and (send.acks or send.expires):
                    continue  # judged by _missing
                what = slot.k or slot.kind
                why = f"{chat.name} {slot.s} ({what}) was seen, but is not there at the end"
                found.add(v.LOST, why, [*_evidence(send), slot.ref], [slot.s])


def _statuses(model: Model, found: Findings) -> None:
    for dev in model.devices.values():
        for status in dev.statuses:
            send = model.sends.get(status.k)
            if send is None:
                continue
            place = model.slot_of(status.k)
            refs = [*_evidence(send), status.ref]
            if status.state == "PRESENT":
                if place is None:
                    found.add(v.STATUS, f"{status.k} was said to be present, and is in no view", refs)
                elif place[1].s != status.s:
                    why = f"{status.k} was said to be at {status.s}, found at {place[1].s}"
                    found.add(v.MOVED, why, [*refs, place[1].ref], [place[1].s])
            elif status.state == "ABSENT":
                if send.acked_at() < status.t0:
                    found.add(v.STATUS, f"{status.k} was said to be absent after it was acknowledged", refs)
                elif status.t0 >= model.drain_t and send.t_last < status.t0 and place is not None:
                    found.add(v.STATUS, f"{status.k} was said to be absent, and is present", [*refs, place[1].ref])
