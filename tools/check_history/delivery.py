"""What reached the devices: holes, what was never delivered, what came twice. I-D5, I-E6, I-O5."""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from check_history import verdicts as v
from check_history.model import (
    END_VIEWS, IN_DUMP, IN_RESTORE, MESSAGE, META_GAP, META_REDELIVERED, META_SHIFT, NEVER, VIEW_NAMES,
    Chat, Device, Model, Page, Range, Slot, Stream, first_uncovered, merge_ranges,
)  # fmt: skip
from check_history.verdicts import Findings


def check(model: Model, found: Findings) -> None:
    for chat in model.chats.values():
        for view in (IN_DUMP, IN_RESTORE):
            _stored_holes(chat, view, found)
        if not model.files["dump"]:
            _merged_holes(chat, found)
        for page in chat.pages:
            if chat.created:
                _page(model, chat, page, found)
    for dev, stream in model.streams():
        _applied_twice(dev, stream, found)
        _redelivered(dev, stream, found)
    _undelivered(model, found)


# ---------------------------------------------------------------------------------------------- holes in views


def _stored_holes(chat: Chat, view: int, found: Findings) -> None:
    """A dump or restore goes from 1 to its own head without a hole, but for the gaps it records."""
    gaps = chat.stored_gaps.get(view, [])
    clashes = {clash.s for clash in chat.clashes if clash.views & view}
    previous, previous_ref = 0, -1
    for s in chat.ordered:
        slot = chat.slots[s]
        if slot.views & view or s in clashes:
            missing = first_uncovered(gaps, previous + 1, s - 1)
            if missing is not None:
                _hole(chat, f"the {VIEW_NAMES[view]}", missing, s, [previous_ref, slot.ref], found)
            previous, previous_ref = s, slot.ref


def _merged_holes(chat: Chat, found: Findings) -> None:
    """Without a dump, all views together must be whole, but for numbers that some reader was told are gone."""
    gaps = merge_ranges(gap for page in chat.pages for gap in page.gaps)
    previous, previous_ref = 0, -1
    for s in chat.ordered:
        missing = first_uncovered(gaps, previous + 1, s - 1)
        if missing is not None:
            _hole(chat, "every view", missing, s, [previous_ref, chat.slots[s].ref], found)
        previous, previous_ref = s, chat.slots[s].ref


def _hole(chat: Chat, view: str, missing: int, s: int, refs: list[int], found: Findings) -> None:
    slot = chat.slots.get(missing)
    if slot is not None:
        refs.append(slot.ref)
    found.add(v.GAP, f"{view} of {chat.name} lacks {missing} below its own {s}", refs, [missing, s])


def _page(model: Model, chat: Chat, page: Page, found: Findings) -> None:
    """One page of history: whole inside, whole at both ends as far as it claims to reach."""
    user = page.dev.user
    whole = page.count < page.limit
    low = page.after if page.after is not None else 0
    last = page.after
    for first, end in page.runs:
        if last is not None or (page.after is None and whole):
            _step(model, chat, page, last or 0, first, found)
        last = end
    ceiling = NEVER if page.head is None else page.head + 1
    if page.before is not None:
        ceiling = min(ceiling, page.before)
    reaches_end = page.after is None or whole
    if reaches_end and (page.head is not None or page.before is not None):
        end = chat.last_visible(user, ceiling)
        if end > (last or low):
            _step(model, chat, page, last or low, end + 1, found)


def _step(model: Model, chat: Chat, page: Page, previous: int, s: int, found: Findings) -> None:
    """Between two neighbours of a page may only be what the reader may not see, or what is said to be gone."""
    intervals = chat.intervals.get(page.dev.user)
    if not intervals:
        return
    # Only the latest membership must be shown; whether earlier ones still are is the server's choice.
    low, high = max(previous + 1, intervals[-1][0]), min(s - 1, intervals[-1][1])
    missing = first_uncovered(page.gaps, low, high)
    if missing is None and low <= high:
        # Said to be gone for good, and yet there at the end?
        for s_gone in chat.ordered[bisect_left(chat.ordered, low) : bisect_right(chat.ordered, high)]:
            if _is_there(model, chat.slots[s_gone]):
                missing = s_gone
                break
    if missing is not None:
        slot = chat.slots.get(missing)
        why = f"a history read of {chat.name} by {page.dev.name} lacks {missing}"
        found.add(v.GAP, why, [page.ref, slot.ref if slot else -1], [missing, previous, s])


def _is_there(model: Model, slot: Slot) -> bool:
    """Present at the end, so that nobody may be told it is gone for good."""
    send = model.sends.get(slot.k)
    return bool(slot.views & END_VIEWS) and slot.kind == MESSAGE and send is not None and not send.expires


# ---------------------------------------------------------------------------------------------- never, or twice


def _applied_twice(dev: Device, stream: Stream, found: Findings) -> None:
    if len(set(stream.apply_s)) == len(stream.apply_s):
        return
    first: dict[int, int] = {}
    for s, ref in zip(stream.apply_s, stream.apply_ref):
        if s in first:
            why = f"{dev.name} applied {stream.chat.name} {s} twice"
            found.add(v.DUPLICATED_TO_USER, why, [first[s], ref], [s])
        first.setdefault(s, ref)


def _redelivered(dev: Device, stream: Stream, found: Findings) -> None:
    """A frame may come again only on a later connection, above the confirmed position, and flagged."""
    acks, at = stream.acks, 0
    confirmed, confirmed_ref = 0, -1  # by acknowledgements of earlier connections
    conn = -1
    first: dict[int, tuple[int, int]] = {}  # s: connection and ref of the last time it came
    for s, ref, meta in zip(stream.frame_s, stream.frame_ref, stream.frame_meta):
        if meta >> META_SHIFT != conn:
            conn = meta >> META_SHIFT
            while at < len(acks) and acks[at].conn < conn:
                if acks[at].t1 != NEVER and acks[at].s > confirmed:
                    confirmed, confirmed_ref = acks[at].s, acks[at].ref_ok
                at += 1
        if meta & META_GAP:
            continue
        before = first.get(s)
        why = ""
        if s <= confirmed and acks[at - 1].conn < conn:
            why = f"though {confirmed} was confirmed before the connection began"
        elif before is not None and before[0] == conn:
            why = "on the same connection"
        elif before is not None and not meta & META_REDELIVERED:
            why = "without the flag"
        if why:
            refs = [before[1] if before else -1, confirmed_ref if s <= confirmed else -1, ref]
            found.add(v.SPURIOUS, f"{dev.name} got {stream.chat.name} {s} again {why}", refs, [s])
        first[s] = (conn, ref)


def _undelivered(model: Model, found: Findings) -> None:
    by_user = model.chats_of()
    for dev in model.devices.values():
        if dev.resumed and dev.drained():
            for chat in by_user.get(dev.user, ()):
                _owed(model, dev, chat, chat.intervals[dev.user][-1], found)


def _owed(model: Model, dev: Device, chat: Chat, interval: Range, found: Findings) -> None:
    """Everything of the person's latest membership, from where the device's inbox starts."""
    stream = dev.streams.get(chat.name) or Stream(chat)
    low, high = interval
    joined = chat.slots.get(low)
    if chat.encrypted and joined is not None and dev.t_first > joined.t:
        low = _start_at_head(stream)
    applied = set(stream.apply_s)
    told_gone = merge_ranges((low, stream.frame_s[index]) for index, low in stream.gap_from.items())
    missing: list[int] = []
    for s in chat.ordered:
        if not low <= s <= high or s in applied:
            continue
        slot = chat.slots[s]
        send = model.sends.get(slot.k)
        if first_uncovered(told_gone, s, s) is None and not _is_there(model, slot):
            continue
        settled = send is not None and send.t_last <= model.drain_t != NEVER
        if slot.t > model.drain_t and not settled:
            continue  # it may have been numbered after this device was done
        if not slot.views & END_VIEWS and model.ends_seen(chat, s):
            continue  # lost, or expired: not a matter of delivery
        missing.append(s)
    if missing:
        s = missing[0]
        slot = chat.slots[s]
        send = model.sends.get(slot.k)
        frame = next((ref for got, ref in zip(stream.frame_s, stream.frame_ref) if got == s), -1)
        last = stream.apply_ref[-1] if stream.apply_ref else dev.ref_first
        acked = send.acks[0].ref if send is not None and send.acks else -1
        why = f"{dev.name} never applied {chat.name} {s}, which its user may see ({len(missing)} such)"
        found.add(v.UNDELIVERED, why, [send.ref if send else -1, acked, slot.ref, frame, last], [s])


def _start_at_head(stream: Stream) -> int:
    """A late device of an encrypted chat starts at the head of that time: the cursor it was first shown, or first frame."""
    if stream.cursors:
        return stream.cursors[0].value + 1
    return min(stream.frame_s, default=NEVER)
