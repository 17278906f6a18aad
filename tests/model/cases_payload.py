"""Known answers of the payload: what is in it, how it is padded, and what must agree with the session."""

from typing import Any

from . import payload, primitives, tlv
from .cases import Case, single
from .fixtures import NOW, broken, coin, join, with_field

SOURCE = "docs/wire/e2ee.md, 'What is inside'"
ACCOUNT, OTHER, THREAD = coin("payload account", 16), coin("payload reader", 16), coin("payload thread", 16)
FIRST: dict[str, Any] = {
    "content_type": b"text/plain",
    "thread_id": THREAD,
    "account_id": ACCOUNT,
    "device_id": 7,
    "msg_id": coin("payload msg", 16),
    "sent_at": NOW,
    "sseq": 1,
    "list_seq": 3,
    "list_hash": coin("payload list", 32),
}
FULL: dict[str, Any] = {
    **FIRST,
    "sseq": 2**40,
    "prev": coin("payload prev", 16),
    "peer_list_seq": 4,
    "peer_list_hash": coin("payload peer list", 32),
    "group_epoch": 5,
    "group_hash": coin("payload group", 32),
    "body": "a body, and some more of it: ä".encode(),
}
EXPECTED: dict[str, Any] = {"thread_id": THREAD, "account_id": ACCOUNT, "device_id": 7, "reader": OTHER}


def without(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def rehashed(data: bytes) -> bytes:
    """With a body_hash that is right, and the padding that fits: only the rule in question is broken."""
    found = [(tag, value) for tag, value in tlv.fields(data) if tag != 28_672]
    hashed = join([(tag, value) for tag, value in found if tag <= 15])
    plain = with_field(join(found), 16, primitives.sha256(hashed))
    shortest = len(plain) + tlv.HEAD + 1
    return with_field(plain, 28_672, bytes(1 + payload.padded_length(shortest) - shortest))


def made() -> list[Case]:
    found = []
    for name, values, expected in (
        ("the first message, without a body", FIRST, EXPECTED),
        ("everything but dest", FULL, EXPECTED),
        ("a copy for one's own device", {**FULL, "dest": OTHER}, {**EXPECTED, "reader": ACCOUNT}),
        ("a copy of a message to oneself", {**FIRST, "dest": ACCOUNT}, {**EXPECTED, "reader": ACCOUNT}),
        ("a content_type of 64 bytes", {**FULL, "content_type": b"x" * 64}, EXPECTED),
        ("the largest numbers", {**FULL, "device_id": 2**32 - 1}, {**EXPECTED, "device_id": 2**32 - 1}),
    ):
        case = Case(name)
        case.do("make_payload", **values)
        case.do("read_payload", payload=case.out("payload"), **expected)
        found.append(case)
    stepped = rehashed(with_field(payload.encode(FULL), 0x8000, b"new"))
    found.append(single("a field to step over, behind the padding", "read_payload", payload=stepped, **EXPECTED))
    return found


def padding() -> list[Case]:
    """Bodies whose payload is one byte below, at and above a length."""
    case = Case("padding at its boundaries")
    empty = len(tlv.encode(payload.PAYLOAD, {**FIRST, "body": b"", "body_hash": bytes(32), "padding": b"\x00"}))
    for length in (320, 4000, 4096, 4352):
        for near in (length - 1, length, length + 1):
            case.do("make_payload", note=f"{near} bytes with one of padding", **FIRST, body=bytes(near - empty))
            case.do("read_payload", payload=case.out("payload"), **EXPECTED)
    around = sorted({n + d for n in (*range(160, 4161, 160), 4096, *PADME) for d in (-1, 0, 1)})
    return [case, single("padded lengths", "padded_lengths", lengths=around)]


PADME = (4352, 4608, 8192, 8704, 9216, 16_384, 17_408, 32_768, 34_816, 65_536, 67_584, 69_632, 131_072, 135_168)


def wrong_padding() -> list[Case]:
    data = payload.encode(FULL)
    pad = dict(tlv.fields(data))[28_672]
    changed = {
        "one byte less": bytes(len(pad) - 1),
        "one byte more": bytes(len(pad) + 1),
        "160 bytes more": bytes(len(pad) + 160),
        "not zero in the first byte": b"\x01" + pad[1:],
        "not zero in the last byte": pad[:-1] + b"\x80",
    }
    found = [
        single(f"padding: {name}", "read_payload", "REFUSED", payload=with_field(data, 28_672, pad), **EXPECTED)
        for name, pad in changed.items()
    ]
    long = payload.encode({**FULL, "body": bytes(5000)})
    pad = dict(tlv.fields(long))[28_672]
    by_160 = with_field(long, 28_672, bytes(len(pad) + 160 - len(long) % 160))
    return [*found, single("padding: a multiple of 160 above 4,096", "read_payload", "REFUSED", payload=by_160, **EXPECTED)]


def broken_rules() -> list[Case]:
    shorter = {
        "device_id 0": {**FULL, "device_id": 0},
        "sseq 0": {**without(FULL, "prev"), "sseq": 0},
        "sseq 0 with prev": {**FULL, "sseq": 0},
        "prev with sseq 1": {**FULL, "sseq": 1},
        "no prev with sseq 2": {**without(FULL, "prev"), "sseq": 2},
        "peer_list_seq without its hash": without(FULL, "peer_list_hash"),
        "peer_list_hash without its seq": without(FULL, "peer_list_seq"),
        "group_epoch without its hash": without(FULL, "group_hash"),
        "group_hash without its epoch": without(FULL, "group_epoch"),
        "dest in a message to another account": {**FULL, "dest": OTHER},
    }
    found = [
        single(name, "read_payload", "REFUSED", payload=payload.encode(values), **{**EXPECTED, "device_id": values["device_id"]})
        for name, values in shorter.items()
    ]
    data = payload.encode(FULL)
    for name in EXPECTED:
        if name == "reader":
            changed: dict[str, Any] = {"reader": ACCOUNT}
        else:
            changed = {name: 8 if name == "device_id" else coin("payload another", 16)}
        what = "no dest in a copy for one's own device" if name == "reader" else f"another {name}"
        found.append(single(what, "read_payload", "REFUSED", payload=data, **{**EXPECTED, **changed}))
    for tag, name in ((1, "content_type"), (5, "msg_id"), (15, "body"), (16, "body_hash")):
        value = dict(tlv.fields(data))[tag]
        flipped = with_field(data, tag, value[:-1] + bytes([value[-1] ^ 1]))
        found.append(single(f"a bit of {name} flipped", "read_payload", "REFUSED", payload=flipped, **EXPECTED))
    return found


def broken_encodings() -> list[Case]:
    data = payload.encode(FULL)
    structural = ("twice", "swapped", "behind", "cut", "nothing", "body_hash", "padding")
    found = []
    for name, raw in broken(payload.PAYLOAD, data, longest=64):
        fair = raw if any(word in name for word in structural) else rehashed(raw)
        found.append(single(f"payload: {name}", "read_payload", "REFUSED", payload=fair, **EXPECTED))
    return found


def cases() -> list[Case]:
    return [case for part in (made, padding, wrong_padding, broken_rules, broken_encodings) for case in part()]
