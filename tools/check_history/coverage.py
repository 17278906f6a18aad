"""What was exercised. A run that did less than it planned, or that cannot be read, is `unknown`, which is a failure."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from typing import Any

from check_history.availability import fault_windows, per_fault
from check_history.model import META_REDELIVERED, NEVER, Model

RAN_RATIO_MIN = 0.9
ACKS_IN_FAULTS_DEFAULT = 1000


def unknowns(model: Model, acked_min: int | None) -> list[str]:
    """Why nothing can be said, or an empty list."""
    reasons: list[str] = []
    if model.malformed_count:
        reasons.append(f"{model.malformed_count} malformed lines, the first: {model.malformed[0]}")
    if not model.files["client"]:
        reasons.append("no client log")
    acked = sum(1 for send in model.sends.values() if send.acks)
    if acked_min is not None and acked < acked_min:
        reasons.append(f"{acked} messages were acknowledged, at least {acked_min} were asked for")
    if model.plan is None:
        if acked_min is None:
            reasons.append("no plan record and no --min-acked: nothing says how much should have run")
    else:
        reasons.extend(_plan(model, model.plan))
    for chat in model.chats.values():
        if not chat.created:
            reasons.append(f"nothing says who was in {chat.name}: no `created` event and no `member` create")
        elif not model.has_end_view(chat):
            reasons.append(f"no view of {chat.name} from the end of the run: neither a dump nor a final history read")
    drained = 0
    for dev in model.devices.values():
        if dev.resumed and dev.drained():
            drained += 1
        elif dev.resumed and dev.end_reason not in ("retired", "revoked", "logged-out"):
            reasons.append(f"{dev.name} neither drained nor retired (last close: {dev.end_reason or 'none'})")
    if not drained:
        reasons.append("no device drained: nothing proves that messages arrive")
    return reasons


def _plan(model: Model, plan: dict[str, Any]) -> list[str]:
    reasons: list[str] = []
    ran = Counter({f: count for (f, kind), count in model.ops.items() if kind == "invoke"})
    ran["send"] = len(model.sends)  # attempts of one message are one planned operation
    for f, planned in (plan.get("ops") or {}).items():
        if ran[f] < RAN_RATIO_MIN * planned:
            reasons.append(f"{ran[f]} of {planned} planned {f} operations ran")
    fired = Counter(fault.kind for fault in model.faults)
    for kind, planned in (plan.get("faults") or {}).items():
        if fired[kind] < planned:
            reasons.append(f"{fired[kind]} of {planned} planned faults of kind {kind} fired")
    needed = plan.get("acks_in_faults")
    if needed is None and plan.get("faults"):
        needed = ACKS_IN_FAULTS_DEFAULT
    inside = acks_in_faults(model)
    if needed and inside < needed:
        reasons.append(f"{inside} acknowledgements came inside fault windows, {needed} were planned")
    devices = sum(dev.resumed for dev in model.devices.values())
    if devices < plan.get("devices", 0):
        reasons.append(f"{devices} of {plan['devices']} planned devices connected")
    return reasons


def acks_in_faults(model: Model) -> int:
    """Acknowledgements of sends that were under way while a fault was on."""
    windows = fault_windows(model)
    starts = [low for low, _ in windows]
    count = 0
    for send in model.sends.values():
        for ack in send.acks:
            at = bisect_right(starts, ack.t) - 1
            count += at >= 0 and windows[at][1] >= ack.invoked
    return count


def counters(model: Model) -> dict[str, Any]:
    sends = model.sends.values()
    unsure = [send for send in sends if not send.acks and send.unsure]
    present = sum(send.k in model.places for send in unsure)
    redelivered = sum(
        bool(meta & META_REDELIVERED) for _, stream in model.streams() for meta in stream.frame_meta
    )  # fmt: skip
    return {
        "events": sum(model.ops.values()),
        "ops": {f"{f} {kind}": count for (f, kind), count in sorted(model.ops.items())},
        "sent": len(model.sends),
        "acked": sum(1 for send in sends if send.acks),
        "refused": sum(send.only_failed for send in sends),
        "retried": sum(send.attempts - 1 for send in sends),
        "unknown_present": present,
        "unknown_absent": len(unsure) - present,
        "acks_in_faults": acks_in_faults(model),
        "redelivered": redelivered,
        "faults": dict(sorted(Counter(fault.kind for fault in model.faults).items())),
        "under_fault": per_fault(model),
        "chats": len(model.chats),
        "devices": len(model.devices),
        "drained": sum(dev.resumed and dev.drained() for dev in model.devices.values()),
        "users": len({dev.user for dev in model.devices.values()}),
        "numbered": sum(len(chat.slots) for chat in model.chats.values()),
        "history_pages": sum(len(chat.pages) for chat in model.chats.values()),
        "final_pages": sum(page.final for chat in model.chats.values() for page in chat.pages),
        "files": dict(sorted(model.files.items())),
        "drain_seen": model.drain_t != NEVER,
    }
