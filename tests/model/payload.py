"""What is inside a message: the payload, its padding, and what must agree with the session. One without a thread is mail."""

from dataclasses import dataclass
from typing import Any

from . import primitives, resend, tlv
from .refused import require

PAD = 160
PAD_UNTIL = 4096
BODY_HASH_TAG_LAST = 15
PREV_BYTES = 16
PAYLOAD_MAX = 147_456
NO_THREAD = bytes(16)  # what one device says to one other, through the mailbox

PAYLOAD = [
    tlv.string(1, "content_type", 1, 64),
    tlv.fixed(2, "thread_id", 16),
    tlv.fixed(3, "account_id", 16),
    tlv.number(4, "device_id", tlv.U32),
    tlv.fixed(5, "msg_id", 16),
    tlv.number(6, "sent_at", tlv.U64),
    tlv.number(7, "sseq", tlv.U64),
    tlv.fixed(8, "prev", PREV_BYTES, optional=True),
    tlv.number(9, "list_seq", tlv.U64),
    tlv.fixed(10, "list_hash", 32),
    tlv.number(11, "peer_list_seq", tlv.U64, optional=True),
    tlv.fixed(12, "peer_list_hash", 32, optional=True),
    tlv.number(13, "group_epoch", tlv.U64, optional=True),
    tlv.fixed(14, "group_hash", 32, optional=True),
    tlv.string(15, "body", 1, 131_072, optional=True),
    tlv.fixed(16, "body_hash", 32),
    tlv.fixed(17, "dest", 16, optional=True),
    tlv.fixed(18, "again", resend.ITEM_BYTES, optional=True),
    tlv.string(28_672, "padding", 1, 131_072),
]
HASHED = [row for row in PAYLOAD if row.tag <= BODY_HASH_TAG_LAST]


@dataclass(frozen=True)
class Expected:
    """What the session and the chat say; `reader` is the account of the device that reads. The mailbox says NO_THREAD."""

    thread_id: bytes
    account_id: bytes
    device_id: int
    reader: bytes


def padme(length: int) -> int:
    """The next length whose lowest E - S bits are zero."""
    exponent = length.bit_length() - 1
    zero_bits = exponent - exponent.bit_length()  # floor(log2 E) + 1 is E's length in bits
    mask = (1 << zero_bits) - 1
    return (length + mask) & ~mask


def padded_length(length: int) -> int:
    """The whole payload's length, when `length` is what it has with one byte of padding."""
    return -(-length // PAD) * PAD if length <= PAD_UNTIL else padme(length)


def encode(values: dict[str, Any]) -> bytes:
    """`values` without body_hash and padding, which are computed."""
    hashed = tlv.encode(HASHED, values)
    whole = {**values, "body_hash": primitives.sha256(hashed), "padding": b"\x00"}
    shortest = len(tlv.encode(PAYLOAD, whole))
    whole["padding"] = bytes(1 + padded_length(shortest) - shortest)
    return tlv.encode(PAYLOAD, whole)


def decode(data: bytes, expected: Expected) -> dict[str, Any]:
    require(len(data) <= PAYLOAD_MAX, "a payload too long", "TOOBIG")
    values = tlv.decode(PAYLOAD, data)
    rules_check(values)
    hashed = b"".join(tlv.put(tag, value) for tag, value in tlv.fields(data) if tag <= BODY_HASH_TAG_LAST)
    require(values["body_hash"] == primitives.sha256(hashed), "body_hash is of something else")
    shortest = len(data) - len(values["padding"]) + 1
    require(len(data) == padded_length(shortest), "not the shortest padding that fits")
    require(not any(values["padding"]), "padding is zeros")
    expected_check(values, expected)
    return values


def rules_check(values: dict[str, Any]) -> None:
    require(values["sseq"] >= 1, "sseq is from 1")
    require(values["device_id"] != 0, "device_id is not 0")
    require((values["prev"] is None) == (values["sseq"] == 1), "prev is missing with sseq 1, and only there")
    require((values["peer_list_seq"] is None) == (values["peer_list_hash"] is None), "the peer's list: both or neither")
    require((values["group_epoch"] is None) == (values["group_hash"] is None), "the group's state: both or neither")
    if values["again"] is not None:
        require(values["thread_id"] == NO_THREAD, "an answer to what was asked for, in a chat")
        resend.item_decode(values["again"])
    if values["thread_id"] == NO_THREAD:
        mail_check(values)


def mail_check(values: dict[str, Any]) -> None:
    """It has no place in any thread."""
    require(values["sseq"] == 1, "mail that is counted")
    for name in ("group_epoch", "dest"):
        require(values[name] is None, f"{name} in mail")


def expected_check(values: dict[str, Any], expected: Expected) -> None:
    require(values["thread_id"] == expected.thread_id, "another thread", "DENIED")
    require(values["account_id"] == expected.account_id, "another account than the session's", "DENIED")
    require(values["device_id"] == expected.device_id, "another device than the session's", "DENIED")
    own_copy = expected.account_id == expected.reader
    if expected.thread_id == NO_THREAD:
        require((values["peer_list_seq"] is None) == own_copy, "mail names the peer's list when that is another account's, and only then", "DENIED")
        return
    require((values["dest"] is not None) == own_copy, "dest is in the copies for one's own devices, and only there", "DENIED")


def missing_before(last_sseq: int, sseq: int) -> int:
    """How many messages of the sender in this thread a reader says are missing."""
    return max(sseq - last_sseq - 1, 0)


def prev_of(values: dict[str, Any]) -> bytes:
    """What the sender's next message has as `prev`."""
    return values["body_hash"][:PREV_BYTES]
