"""Invite links: what a link is, the key pair that comes of it, and what who has the link asks with."""

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from . import primitives, tlv
from .refused import Refused, require

VERSION = 1
CHAT_ID, SECRET, OP_HASH = 16, 32, 16
LINK = 1 + CHAT_ID + SECRET + OP_HASH
REQUEST_MAX = 256

REQUEST = [
    tlv.fixed(1, "join_key", 32),
    tlv.fixed(2, "account_id", 16),
    tlv.number(3, "device_id", tlv.U32),
    tlv.number(4, "list_seq", tlv.U64),
    tlv.fixed(5, "list_hash", 32),
    tlv.number(6, "made_at", tlv.U64),
    tlv.number(7, "known_seq", tlv.U64, optional=True),
]
SIGNED = [tlv.string(1, "request", 1, REQUEST_MAX), tlv.fixed(2, "proof", 64), tlv.fixed(3, "signature", 64)]


@dataclass(frozen=True)
class Link:
    chat_id: bytes
    secret: bytes
    op_hash: bytes  # the first 16 bytes of the hash of the operation that made its key known

    def encode(self) -> bytes:
        return bytes([VERSION]) + self.chat_id + self.secret + self.op_hash

    @property
    def text(self) -> bytes:
        """What stands behind the `#`."""
        return base64.urlsafe_b64encode(self.encode()).rstrip(b"=")

    @property
    def seed(self) -> bytes:
        return primitives.derive(b"", self.secret, "join", self.chat_id, 32)

    @property
    def join_key(self) -> bytes:
        return primitives.sign_public(self.seed)


def link_decode(data: bytes) -> Link:
    require(len(data) == LINK, "a link that has not 65 bytes")
    require(data[0] == VERSION, "a link of another version", "UNSUPPORTED")
    return Link(data[1:17], data[17:49], data[49:])


def text_decode(text: bytes) -> Link:
    """Each link has one spelling: no padding, no letter of another alphabet, no bit that says nothing."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as bad:
        raise Refused("MALFORMED", "not base64url") from bad
    require(base64.urlsafe_b64encode(data).rstrip(b"=") == text, "another spelling of the same bytes")
    return link_decode(data)


# ---------------------------------------------------------------------------------------------- asking
@dataclass(frozen=True)
class Request:
    """A signed join request that keeps the rules of its form; `raw` are the bytes under both signatures, as they came."""

    raw: bytes
    proof: bytes
    signature: bytes
    join_key: bytes
    account_id: bytes
    device_id: int
    list_seq: int
    list_hash: bytes
    made_at: int
    known_seq: int | None


def request_check(values: dict[str, Any]) -> None:
    require(values["device_id"] != 0, "a device id is not 0")
    require(values["list_seq"] >= 1, "a seq is from 1")
    require(values["known_seq"] != 0, "who knows no operation says nothing of it")


def decode(data: bytes) -> Request:
    """Its form alone. Beside the two signatures there is nothing: nobody has signed it."""
    signed = tlv.decode(SIGNED, data, closed=True)
    values = tlv.decode(REQUEST, signed["request"])
    request_check(values)
    return Request(signed["request"], signed["proof"], signed["signature"], **values)


def sign(link: Link, fields: dict[str, Any], dsk_seed: bytes) -> Request:
    raw = tlv.encode(REQUEST, {**fields, "join_key": link.join_key})
    return decode(signed_encode(raw, link.seed, dsk_seed))


def signed_encode(raw: bytes, link_seed: bytes, dsk_seed: bytes) -> bytes:
    """Of any bytes; no rule is looked at."""
    both = {"proof": primitives.sign(link_seed, "join", raw), "signature": primitives.sign(dsk_seed, "join", raw)}
    return tlv.encode(SIGNED, {"request": raw, **both})


def encode(request: Request) -> bytes:
    return tlv.encode(SIGNED, {"request": request.raw, "proof": request.proof, "signature": request.signature})


def prove(request: Request) -> None:
    """Whether who asks has the link of the key that the request names."""
    primitives.verify(request.join_key, "join", request.raw, request.proof)


def verify(request: Request, dsk_pub: bytes) -> None:
    """Whether that device asks."""
    primitives.verify(dsk_pub, "join", request.raw, request.signature)
